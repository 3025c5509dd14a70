//! The transcripts in `docs/tour` happen as they are printed, with the real programs. The rules of a page stand in
//! `docs/tour/README.md`.

mod page;

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use page::{Page, Step, matches};

use crate::binaries::server::FAST;
use crate::binaries::{People, ServerProcess, program};

macro_rules! tours {
    ($($page:ident),+ $(,)?) => {
        $(#[test]
        fn $page() {
            take(stringify!($page));
        })+

        #[test]
        fn every_page_is_taken() {
            let taken: BTreeSet<String> = [$(stringify!($page)),+].map(str::to_owned).into();
            let pages = std::fs::read_dir(folder()).unwrap().map(|file| file.unwrap().path());
            let pages = pages.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
            let pages: BTreeSet<String> = pages.filter(|page| page != "README").collect();
            assert_eq!(pages, taken);
            let index = std::fs::read_to_string(folder().join("README.md")).unwrap();
            let missing: Vec<_> = pages.iter().filter(|page| !index.contains(&format!("]({page}.md)"))).collect();
            assert!(missing.is_empty(), "the table lacks {missing:?}");
        }
    };
}

tours! {
    files,
    search,
    talking,
    presence,
    unread,
    moderation,
    entries,
    bots,
    retention,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tour")
}

fn take(name: &str) {
    let text = std::fs::read_to_string(folder().join(format!("{name}.md"))).unwrap();
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let page = Page::parse(&text.replace("8084", &http.to_string()));
    assert!(!page.steps.is_empty(), "{name} has no commands");

    let settings = format!("{}\n{FAST}", page.settings);
    let mut server = ServerProcess::start_with(&settings);
    let people = People::new();
    let [ada, _, _] = people.join_all(&server, ["ada", "bob", "cyd"]);
    let (profiles, here) = (ada.data().to_owned(), tempfile::tempdir().unwrap());
    let mut runs = true;
    for step in &page.steps {
        let is_operator = step.who == "server";
        match (is_operator, runs) {
            (true, true) => drop(server.stop()),
            (false, false) => server.restart(),
            _ => {}
        }
        runs = !is_operator;
        let place = if is_operator { server.folder() } else { here.path() };
        let (said, code) = run(step, &profiles, place);
        assert!(
            code == step.code && matches(&step.output, &said),
            "{name}: {}$ {}\nexit {code}, expected {}\n-- it said\n{}\n-- expected\n{}\n",
            step.who,
            step.command,
            step.code,
            said.join("\n"),
            step.output.join("\n"),
        );
    }
}

/// Lines on both outputs, and the exit code.
fn run(step: &Step, profiles: &Path, place: &Path) -> (Vec<String>, i32) {
    let programs = program("quipu").parent().unwrap().to_owned();
    let path = std::env::var("PATH").unwrap();
    let ran = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{}", step.command)])
        .current_dir(place)
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("QUIPU_PROFILE", &step.who)
        .env("QUIPU_DATA_DIR", profiles)
        .env("HOME", profiles)
        .env("TZ", "UTC")
        .env_remove("QUIPU_LOG")
        .env_remove("XDG_DATA_HOME")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    (said.lines().map(str::to_owned).collect(), ran.status.code().unwrap_or(-1))
}
