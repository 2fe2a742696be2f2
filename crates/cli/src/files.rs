//! Files in and out.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use chokepoint_engine::Data;
use chokepoint_engine::catalog::check;
use chokepoint_engine::diag::{Code, Diagnostic};

/// Largest input file, to end on a mistyped path to something huge before memory does.
const LARGEST_INPUT: u64 = 64 << 20;

/// Reads a text file.
///
/// # Errors
/// When it cannot be read, is too large or is not UTF-8.
pub fn read(path: &Path) -> Result<String, Diagnostic> {
    let failed = |why: &dyn std::fmt::Display| {
        Diagnostic::new(Code::File, format!("cannot read {}: {why}", path.display()))
    };
    let size = fs::metadata(path).map_err(|error| failed(&error))?.len();
    if size > LARGEST_INPUT {
        return Err(failed(&format!(
            "it has {size} bytes, the limit is {LARGEST_INPUT}"
        )));
    }
    fs::read_to_string(path).map_err(|error| failed(&error))
}

/// Whether there is a device or a pipe, which must not be replaced by a file.
fn is_special(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|what| !what.is_file() && !what.is_dir())
}

/// Writes a file whole or not at all: a neighbour is written and renamed. Devices and pipes are
/// written to.
///
/// # Errors
/// When it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), Diagnostic> {
    if is_special(path) {
        return fs::write(path, text).map_err(|error| unwritable(path, &error));
    }
    let neighbour = neighbour(path);
    let attempt = || -> io::Result<()> {
        let mut file = fs::File::create(&neighbour)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&neighbour, path)
    };
    attempt().map_err(|error| {
        // The neighbour may not exist; the first error is the one to tell.
        let _ = fs::remove_file(&neighbour);
        unwritable(path, &error)
    })
}

/// A file that is written bit by bit and is there whole or not at all: what is written goes to a
/// neighbour, which takes its name at the end and is removed when there is none.
pub struct Growing {
    path: PathBuf,
    neighbour: PathBuf,
    writer: io::BufWriter<fs::File>,
}

impl Growing {
    /// Begins a file.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn begin(path: &Path) -> Result<Self, Diagnostic> {
        let neighbour = neighbour(path);
        match fs::File::create(&neighbour) {
            Ok(file) => Ok(Self {
                path: path.to_owned(),
                neighbour,
                writer: io::BufWriter::new(file),
            }),
            Err(error) => Err(unwritable(path, &error)),
        }
    }

    /// Gives the file its name.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<(), Diagnostic> {
        let ended = self
            .writer
            .flush()
            .and_then(|()| self.writer.get_ref().sync_all())
            .and_then(|()| {
                if is_special(&self.path) {
                    fs::write(&self.path, fs::read(&self.neighbour)?)
                } else {
                    fs::rename(&self.neighbour, &self.path)
                }
            });
        ended.map_err(|error| unwritable(&self.path, &error))
    }
}

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        // After a rename there is none; nobody is left to hear of another error.
        let _ = fs::remove_file(&self.neighbour);
    }
}

/// The name under which a file is written before it is whole.
fn neighbour(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.part", std::process::id()))
}

/// What is wrong when a file cannot be written.
pub fn unwritable(path: &Path, error: &io::Error) -> Diagnostic {
    let message = format!("cannot write {}: {error}", path.display());
    Diagnostic::new(Code::File, message)
}

/// Removes a file that was written for a run which then failed.
///
/// # Errors
/// When it cannot be removed.
pub fn remove(path: &Path) -> Result<(), Diagnostic> {
    fs::remove_file(path).map_err(|error| {
        Diagnostic::new(
            Code::File,
            format!("cannot remove {}: {error}", path.display()),
        )
    })
}

/// What is wrong when a result cannot be brought into its form.
pub fn unwritten(error: &dyn std::fmt::Display) -> Diagnostic {
    Diagnostic::new(Code::File, format!("cannot write the result: {error}"))
}

/// Prints to standard output; a reader that closes early (`| head`) is no error.
///
/// # Errors
/// When standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), Diagnostic> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Diagnostic::new(
            Code::File,
            format!("cannot write to standard output: {error}"),
        )),
        _ => Ok(()),
    }
}

/// Result to a file where one is given, else to standard output.
///
/// # Errors
/// When it cannot be written.
pub fn deliver(output: Option<&Path>, text: &str) -> Result<(), Diagnostic> {
    output.map_or_else(|| print(text), |path| write(path, text))
}

/// The built-in data with the files of a folder.
///
/// # Errors
/// When the folder or a file of it cannot be read.
pub fn data(folder: Option<&Path>) -> Result<Data, Diagnostic> {
    let others = texts(folder)?;
    let data = Data::load(&others)?;
    match check(&data.catalog).into_iter().next() {
        Some(problem) if !others.is_empty() => Err(problem),
        _ => Ok(data),
    }
}

/// Reads a model's configuration that is named by its path.
///
/// # Errors
/// When the file cannot be read.
pub fn read_model(model: &str, data: &mut Data) -> Result<(), Diagnostic> {
    if !data.models.contains_key(model) && (model.contains('/') || model.ends_with(".json")) {
        let config = read(Path::new(model))?;
        data.models
            .insert(model.to_owned(), (model.to_owned(), config));
    }
    Ok(())
}

/// All data files of a folder, named relative to it.
///
/// # Errors
/// When one cannot be read, or there is none.
pub fn texts(folder: Option<&Path>) -> Result<Vec<(String, String)>, Diagnostic> {
    let mut others = Vec::new();
    if let Some(folder) = folder {
        collect(folder, folder, &mut others)?;
        if others.is_empty() {
            return Err(Diagnostic::new(
                Code::File,
                format!("no .toml or .json file under {}", folder.display()),
            )
            .help("a data folder holds chips/, links/, systems/, networks/, models/, prices/ or rules/"));
        }
    }
    Ok(others)
}

/// All data files below a folder, named relative to it, in the order of their names.
fn collect(
    root: &Path,
    folder: &Path,
    found: &mut Vec<(String, String)>,
) -> Result<(), Diagnostic> {
    let failed = |error: io::Error| {
        Diagnostic::new(
            Code::File,
            format!("cannot read {}: {error}", folder.display()),
        )
    };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()
        .map_err(failed)?;
    paths.sort();
    for path in paths {
        let kind = path.extension().and_then(|ending| ending.to_str());
        if path.is_dir() {
            collect(root, &path, found)?;
        } else if matches!(kind, Some("toml" | "json")) {
            let name = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .replace('\\', "/");
            found.push((name, read(&path)?));
        }
    }
    Ok(())
}
