//! People: pictures, input, what they changed.

use std::time::{Duration, Instant};

use openwrap_contracts::ErrorCode;
use openwrap_contracts::session::{FrameReceiver, PointerAct, SessionInput, Surface, SurfaceFrame, SurfaceView};

use crate::world::{World, page};

/// Pictures that come within a time, and the type of the first.
async fn pictures(frames: &mut FrameReceiver, most: Duration) -> usize {
    let deadline = Instant::now() + most;
    let mut count = 0;
    while let Ok(frame) = tokio::time::timeout(deadline.saturating_duration_since(Instant::now()), frames.recv()).await
    {
        match frame {
            Ok(SurfaceFrame::Picture(picture)) => {
                assert_eq!(
                    (picture.media_type, &picture.bytes[..2]),
                    ("image/jpeg", &[0xff, 0xd8][..])
                );
                assert_eq!((picture.width, picture.height), (1280, 800));
                count += 1;
            }
            Ok(_) => {}
            Err(tokio::sync::broadcast::error::RecvError::Lagged(missed)) => count += missed as usize,
            Err(_) => break,
        }
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn an_animation_gives_fifteen_pictures_a_second_and_a_still_page_none() {
    let world = World::open().await;
    world.read("/still", "<h1>Still</h1>").await;
    let surface = world.surface();
    let mut frames = surface.frames();
    assert_eq!(
        pictures(&mut frames, Duration::from_millis(300)).await,
        0,
        "nobody watches"
    );
    surface.watched(1, false);
    assert!(
        pictures(&mut frames, Duration::from_millis(500)).await >= 1,
        "the first picture"
    );
    assert_eq!(
        pictures(&mut frames, Duration::from_millis(1_000)).await,
        0,
        "a still page"
    );
    surface.watched(2, false);
    assert_eq!(
        pictures(&mut frames, Duration::from_millis(300)).await,
        1,
        "one who joins sees the newest"
    );
    world
        .read(
            "/moving",
            "<style>@keyframes m{to{transform:translateX(900px)}}div{width:80px;height:80px;background:red;animation:m 1s linear infinite}</style><div></div>",
        )
        .await;
    pictures(&mut frames, Duration::from_millis(300)).await;
    let seen = pictures(&mut frames, Duration::from_secs(1)).await;
    assert!(seen >= 15, "{seen} pictures in a second");
    surface.watched(0, false);
    pictures(&mut frames, Duration::from_millis(300)).await;
    assert_eq!(
        pictures(&mut frames, Duration::from_millis(500)).await,
        0,
        "nobody watches any more"
    );
}

fn click(y: f64) -> [SessionInput; 3] {
    [PointerAct::Move, PointerAct::Down, PointerAct::Up].map(|act| SessionInput::Pointer {
        act,
        x: 50.0,
        y,
        button: u8::from(act != PointerAct::Move),
        clicks: u8::from(act != PointerAct::Move),
        modifiers: 0,
    })
}

fn key(down: bool) -> SessionInput {
    SessionInput::Key {
        down,
        key: "k".to_owned(),
        code: "KeyK".to_owned(),
        modifiers: 0,
    }
}

fn text(text: &str) -> SessionInput {
    SessionInput::Text { text: text.to_owned() }
}

/// What people who do not see pixels read, once it holds `words`.
async fn view_with(surface: &dyn Surface, words: &str) -> (String, String) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let SurfaceView::Browser { text, url, .. } = surface.view().await.unwrap() else {
            panic!("no browser");
        };
        if text.contains(words) {
            return (text, url);
        }
        assert!(Instant::now() < deadline, "{words} did not appear: {text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_drives_and_the_worker_is_told_what_changed_but_no_password() {
    let world = World::open().await;
    world
        .read(
            "/login",
            "<style>*{margin:0}input,a{position:absolute;width:200px;height:30px}</style>
             <input aria-label=User style=top:0><input type=password aria-label=Pass style=top:40px>
             <p id=out style='position:absolute;top:300px'></p>
             <script>addEventListener('keydown', e => out.textContent += e.code + ' ')</script>",
        )
        .await;
    let surface = world.surface();
    surface.watched(1, true);
    let mut inputs = click(15.0).to_vec();
    inputs.extend([text("ada"), key(true), key(false)]);
    inputs.extend(click(55.0));
    inputs.push(text("hunter2"));
    surface.input(inputs).await.unwrap();
    let (seen, url) = view_with(&*surface, &"\u{2022}".repeat(7)).await;
    assert!(
        seen.contains("KeyK") && !seen.contains("hunter2") && url.ends_with("/login"),
        "{url} {seen}"
    );
    let told = surface.since_taken().await;
    assert!(told.contains("\"User\" is now \"adak\""), "{told}");
    assert!(told.contains("\"Pass\" (secret") && !told.contains("hunter2"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_goes_where_the_task_may_go_and_the_worker_is_told_where() {
    let world = World::open().await;
    world.site.put("/next", page("<h1>Next</h1>"));
    world.read("/first", "<h1>First</h1>").await;
    let surface = world.surface();
    surface.watched(1, true);
    let next = format!("{}/next", world.site.origin);
    let resize = SessionInput::Resize {
        columns: 900,
        rows: 600,
    };
    let inputs = [
        SessionInput::Navigate { url: next.clone() },
        SessionInput::History { step: -1 },
        resize,
    ];
    for input in inputs {
        surface.input(vec![input]).await.unwrap();
    }
    let told = surface.since_taken().await;
    assert!(told.contains(&format!("Addresses visited: {next}, ")), "{told}");
    let refused = SessionInput::Navigate {
        url: "http://127.0.0.1:9/".to_owned(),
    };
    assert_eq!(
        surface.input(vec![refused]).await.unwrap_err().code,
        ErrorCode::EgressDenied
    );
    let SurfaceView::Browser {
        width, height, tabs, ..
    } = surface.view().await.unwrap()
    else {
        panic!("no browser");
    };
    assert_eq!((width, height, tabs.len()), (900, 600, 1));
}
