//! The core of one way: servers, a broker, and programs one after the other.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use openwrap_contracts::network::Broker;
use openwrap_contracts::spawn::{Finished, Network, SpawnRequest, Spawner};
use openwrap_contracts::tools_user::as_tools;

use super::attacks;
use super::broker::{Files, GRANTED, OneName, serve_files, serve_nobody};
use crate::stage::{Stage, as_core, lines, say, set_mode, text};

pub struct World {
    pub stage: Stage,
    pub files: Files,
    pub broker: Arc<OneName>,
}

impl World {
    pub async fn run(&self, mut request: SpawnRequest) -> Finished {
        request.network = Network::Named(Arc::clone(&self.broker) as Arc<dyn Broker>);
        self.stage.run(request).await.unwrap()
    }

    async fn shell(&self, script: &str) -> String {
        let finished = self.run(self.stage.shell(script)).await;
        let said = format!("{}{}", text(&finished.stdout), text(&finished.stderr));
        assert!(finished.status.success(), "{script}: {:?} {said}", finished.status);
        said
    }

    fn there(&self, program: &str) -> bool {
        let found = ["/usr/bin", "/bin", "/usr/local/bin"]
            .iter()
            .any(|folder| Path::new(folder).join(program).exists());
        if !found {
            say(&format!("{program} is not installed"));
        }
        found
    }
}

pub fn play_core() {
    as_core(async {
        let stage = Stage::with(Path::new(&std::env::var("SPAWNER").unwrap()));
        let report = stage.spawner.report().await.unwrap();
        assert!(report.usable && report.metadata_confined, "{report:#?}");
        say(&format!("level {:?}, namespaces {}", report.level, report.namespaces));
        let files = serve_files(stage.view.clone());
        let broker = OneName::new(files.address);
        let world = World { stage, files, broker };
        programs(&world).await;
        metadata(&world).await;
        attacks::from_outside(&world).await;
        say("done");
    });
}

async fn programs(world: &World) {
    let port = world.files.address.port();
    let place = format!("http://{GRANTED}:{port}");
    world.shell("echo hello >hello.txt").await;
    let (_, elsewhere) = serve_nobody("127.0.0.1:0");
    let fetched = |said: &str, program: &str| assert!(said.contains("hello"), "{program}: {said}");
    if world.there("curl") {
        fetched(&world.shell(&format!("curl -sS {place}/hello.txt")).await, "curl");
        let refused = format!(
            "curl -sS -m 5 http://other.test:{port}/ && exit 1; curl -sS -m 5 http://{GRANTED}:1/ && exit 1; true"
        );
        let said = world.shell(&refused).await;
        assert!(said.contains("Could not resolve host: other.test"), "{said}");
    }
    if world.there("python3") {
        let get = format!("import urllib.request as u; print(u.urlopen('{place}/hello.txt', timeout=9).read())");
        fetched(&world.shell(&format!("python3 -c \"{get}\"")).await, "urllib");
        let stream = format!(
            "import asyncio\nasync def main():\n r,w=await asyncio.open_connection('{GRANTED}',{port})\n \
             w.write(b'GET /hello.txt HTTP/1.0\\r\\n\\r\\n'); await w.drain(); print(await r.read())\nasyncio.run(main())"
        );
        let mut request = world.stage.request("python3", &["-c", &stream]);
        request.limits.wall_ms = 20_000;
        fetched(&text(&world.run(request).await.stdout), "asyncio");
    }
    if world.there("node") {
        let get = format!("fetch('{place}/hello.txt').then((r) => r.text()).then(console.log)");
        fetched(&world.shell(&format!("node -e \"{get}\"")).await, "fetch");
        let resolve = format!("require('dns').resolve4('{GRANTED}', (e, a) => console.log(e ?? a))");
        let said = world.shell(&format!("node -e \"{resolve}\"")).await;
        assert!(said.contains("198.18.0.1"), "{said}");
    }
    if world.there("git") {
        let clone = format!(
            "git init -q one && cd one && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && \
             cd .. && git clone -q --bare one one.git && git -C one.git update-server-info && \
             git clone -q {place}/one.git two && git -C two log --format=%s"
        );
        assert!(world.shell(&clone).await.contains("first"), "git");
    }
    if world.there("pip") {
        install_wheel(world, &place).await;
    }
    assert_eq!(elsewhere.load(Ordering::SeqCst), 0);
    let asked = world.broker.asked.lock().unwrap().clone();
    assert!(asked.contains(GRANTED), "{asked:?}");
}

async fn install_wheel(world: &World, place: &str) {
    let make = "import zipfile\n\
        z=zipfile.ZipFile('tiny-1.0-py3-none-any.whl','w')\n\
        z.writestr('tiny.py','print(\\'tiny\\')')\n\
        z.writestr('tiny-1.0.dist-info/METADATA','Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n')\n\
        z.writestr('tiny-1.0.dist-info/WHEEL','Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
        z.writestr('tiny-1.0.dist-info/RECORD','')\n\
        z.close()";
    let made = world.run(world.stage.request("python3", &["-c", make])).await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    let install = format!(
        "pip install -q --no-cache-dir --disable-pip-version-check --trusted-host {GRANTED} --index-url {place}/simple \
         --target there tiny && PYTHONPATH=there python3 -c 'import tiny'"
    );
    assert!(world.shell(&install).await.contains("tiny"), "pip");
    assert!(
        world
            .files
            .requests
            .lock()
            .unwrap()
            .iter()
            .any(|path| path == "/simple/tiny/")
    );
}

/// Mode, times and attributes: inside they change, outside they do not.
async fn metadata(world: &World) {
    let outside = world.stage.root.join("outside");
    std::fs::create_dir(&outside).unwrap();
    set_mode(&outside, 0o755);
    let file = outside.join("file");
    set_mode(&outside, 0o777);
    // The tools' own, so that its mode is theirs to change as far as the system goes.
    as_tools(openwrap_sandbox::tools_ids(), || {
        std::fs::write(&file, "x").unwrap();
        set_mode(&file, 0o644);
    });
    set_mode(&outside, 0o755);
    let before = std::fs::metadata(&file).unwrap();
    let path = file.to_str().unwrap();
    let inside = "echo x >own && chmod 750 own && stat -c %a own && touch -d 2001-02-03 own && stat -c %y own && \
        touch -h -d 2002-02-03 own && chown $(id -u) own && mkdir -p deep && chmod 700 deep && cp -p own deep/copy && \
        ln -sf own link && chmod 640 link && stat -c %a own && tar cf a.tar own && tar xf a.tar";
    let said = world.stage.says(inside).await;
    assert!(
        said.contains("750") && said.contains("2001-02-03") && said.contains("640"),
        "{said}"
    );
    let refused = format!(
        "chmod 777 {path}; touch -d 2001-02-03 {path}; ln -sf {path} way; chmod 777 way; touch -d 2001-02-03 way; \
         chown $(id -u) {path}; chmod u+s own; chmod 777 {view}/../outside/file; cd / && chmod 777 .{path}",
        view = world.stage.view.display()
    );
    let said = world.stage.says(&refused).await;
    // `touch` opens first, which is refused as well.
    let answers = ["Operation not permitted", "Permission denied"];
    let refused: usize = answers.iter().map(|answer| said.matches(answer).count()).sum();
    assert_eq!(refused, 8, "{said}");
    let after = std::fs::metadata(&file).unwrap();
    assert_eq!(
        (after.permissions(), after.modified().unwrap()),
        (before.permissions(), before.modified().unwrap())
    );
    if world.there("python3") {
        attributes(world, path).await;
    }
}

async fn attributes(world: &World, outside: &str) {
    let script = format!(
        "import os\ndef t(n,f):\n try: f(); print(n,'done')\n except OSError as e: print(n,e.errno)\n\
         t('set',lambda: os.setxattr('own','user.a',b'1')); t('get',lambda: os.getxattr('own','user.a'))\n\
         t('remove',lambda: os.removexattr('own','user.a'))\n\
         t('set_outside',lambda: os.setxattr('{outside}','user.a',b'1'))\n\
         f=os.open('own',os.O_RDONLY)\n\
         t('fchmod',lambda: os.fchmod(f,0o600)); t('futimens',lambda: os.utime(f,(1,2))); t('fsetxattr',lambda: os.setxattr(f,'user.b',b'2'))\n\
         t('lutimes',lambda: os.utime('link',(1,2),follow_symlinks=False))\n\
         d=os.open('.',os.O_RDONLY); t('fchmodat',lambda: os.chmod('own',0o640,dir_fd=d))\n\
         g=os.open('/usr/bin/env',os.O_RDONLY); t('granted_read_only',lambda: os.fchmod(g,0o777))\n\
         t('through_proc',lambda: os.chmod('/proc/self/fd/%d'%f,0o644))\n\
         t('missing',lambda: os.chmod('absent',0o644))"
    );
    let said = text(
        &world
            .stage
            .run(world.stage.request("python3", &["-c", &script]))
            .await
            .unwrap()
            .stdout,
    );
    let answers: Vec<&str> = said.lines().collect();
    // A file system without attributes says so in the view, and is not asked outside.
    let plain: Vec<&str> = answers
        .iter()
        .map(|line| if line.ends_with("95") { "95" } else { *line })
        .collect();
    let done = [
        "fchmod done",
        "futimens done",
        "lutimes done",
        "fchmodat done",
        "through_proc done",
        "missing 2",
    ];
    for line in done {
        assert!(plain.contains(&line), "{line}: {said}");
    }
    for line in ["set_outside 1", "granted_read_only 1"] {
        assert!(plain.contains(&line), "{line}: {said}");
    }
    assert!(plain.contains(&"set done") || plain.contains(&"95"), "{said}");
}

pub fn said_by(finished: &Finished) -> Vec<String> {
    lines(&text(&finished.stdout))
}
