//! Figures of the live browser: `cargo bench -p openwrap-browser --bench browser_figures -- [NAME…]`. One JSON line each. `npm run bench`
//! calls it.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

#[path = "../tests/browser/world.rs"]
mod world;

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use openwrap_contracts::session::SurfaceFrame;
use serde_json::json;
use world::{World, page};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(5);

fn figure(name: &str, value: f64, unit: &str) {
    println!("{}", json!({ "name": name, "value": value, "unit": unit }));
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Pictures a second of a moving page while somebody watches, and how old each is when it is handed on.
async fn screencast(world: &World, wanted: impl Fn(&str) -> bool) {
    let moving = "<style>@keyframes m{to{transform:translateX(900px)}}div{width:80px;height:80px;background:red;\
                  animation:m 1s linear infinite}</style><div></div>";
    let url = world.site.put("/moving", page(moving));
    world.says("browser.open", json!({ "url": url })).await;
    let surface = world.surface();
    let mut frames = surface.frames();
    surface.watched(1, false);
    let begun = Instant::now();
    let mut ages = Vec::new();
    while begun.elapsed() < WARM_UP + MEASURED {
        if let Ok(Ok(SurfaceFrame::Picture(picture))) = tokio::time::timeout(MEASURED, frames.recv()).await
            && begun.elapsed() > WARM_UP
        {
            ages.push(now_ms() - picture.taken_at);
        }
    }
    surface.watched(0, false);
    ages.sort_unstable();
    if wanted("screencast_fps") {
        figure("screencast_fps", ages.len() as f64 / MEASURED.as_secs_f64(), "1/s");
    }
    if wanted("browser_frame_age_p95_ms") {
        figure("browser_frame_age_p95_ms", ages[ages.len() * 95 / 100] as f64, "ms");
    }
}

/// From the first call of a task to its first page read: the browser's start is in it.
async fn first_page(world: &World) {
    let url = world.site.put("/", page("<h1>Here</h1>"));
    let begun = Instant::now();
    world.says("browser.open", json!({ "url": url })).await;
    world.says("browser.snapshot", json!({})).await;
    figure("browser_first_page_ms", begun.elapsed().as_secs_f64() * 1e3, "ms");
}

#[tokio::main]
async fn main() {
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let wanted = |name: &str| names.is_empty() || names.iter().any(|known| known == name);
    let world = World::open().await;
    // The sandbox is probed at the first start of any program, once.
    openwrap_contracts::spawn::Spawner::report(&*world.spawner)
        .await
        .unwrap();
    if wanted("browser_first_page_ms") {
        first_page(&world).await;
    }
    if wanted("screencast_fps") || wanted("browser_frame_age_p95_ms") {
        screencast(&world, wanted).await;
    }
}
