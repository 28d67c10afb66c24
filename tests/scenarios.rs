//! Stories: each file of `tests/scenarios` is a trial, told through a replay.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use mainstay::shard::Target;
use mainstay_testkit::scenario::{self, Said, Scenario};

use crate::pipeline;

pub(crate) fn trials() -> Vec<Trial> {
    files().into_iter().map(trial).collect()
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(&folder);
    let entries = entries.unwrap_or_else(|err| panic!("{}: {err}", folder.display()));
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

fn trial(path: PathBuf) -> Trial {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Trial::test(format!("scenarios::{name}"), move || {
        scenario::run_file(&path, scenario::refresh_is_asked_for(), tell).map_err(Into::into)
    })
}

fn tell(story: &Scenario) -> Said {
    let plan = pipeline::plan(story.settings.clone(), Target::Files);
    let (said, _) = pipeline::replay(plan, &story.records, 1);
    let dead = said.dead.iter().map(|letter| {
        let letter = pipeline::json(letter);
        let code = letter["code"].as_str().unwrap_or_default().to_owned();
        let offset = letter["offset"].as_u64().expect("a letter has an offset");
        let offset = usize::try_from(offset).expect("stories are short");
        (code, offset)
    });
    Said {
        daily: said.daily.iter().map(|line| pipeline::json(line)).collect(),
        dead: dead.collect(),
    }
}
