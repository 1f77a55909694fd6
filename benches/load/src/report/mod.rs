//! Tables and a picture of what was measured. Figures come from this run and from nowhere else.

pub(crate) mod row;

mod chart;

mod machine;

mod markdown;

use std::path::Path;

use crate::failure::{Context, Failure};
use crate::run::Findings;
use crate::run::profile::Profile;

/// Writes `RESULTS.md` and, when sagas were measured, `results.svg` into `dir`.
pub(crate) fn write(dir: &Path, profile: Profile, findings: &Findings) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).context(format!("making {}", dir.display()))?;
    let picture = chart::draw(&findings.rows);
    if let Some(picture) = &picture {
        write_file(&dir.join("results.svg"), picture)?;
    }
    let text = markdown::render(&machine::describe(), profile, findings, picture.is_some());
    write_file(&dir.join("RESULTS.md"), &text)
}

fn write_file(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).context(format!("writing {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}
