//! `chokepoint calibrate kernels FILE`: curves fitted on kernels of a user's own.

use chokepoint_engine::catalog::{Catalog, Refit};
use chokepoint_engine::diag::{Code, Diagnostic};
use chokepoint_kernels::{Measurement, refit_measured};

use crate::calibrate::{Fitted, Kernels, chosen};
use crate::files;

/// Words of a file's header that say where its times are from.
const SAID: [&str; 5] = ["gpu", "driver", "cuda", "torch", "date"];

/// Fits the curves of the chip that was measured.
///
/// # Errors
/// What is wrong with the file, or a chip whose curves are not its own.
pub fn fit<'a>(catalog: &'a Catalog, options: &Kernels) -> Result<Fitted<'a>, Diagnostic> {
    let path = options.tables.display().to_string();
    let measurement = Measurement::parse(&path, &files::read(&options.tables)?)?;
    let named = measurement.said("chip").filter(|id| !id.is_empty());
    let Some(id) = named else {
        let message = format!("{path} does not say which chip was measured");
        return Err(Diagnostic::new(Code::Usage, message)
            .help("measure with --chip, or write \"# chip: h100-sxm\" above the columns"));
    };
    let chip = catalog.chip(id)?;
    let curves = options.chip.as_deref().unwrap_or(&chip.calibration.curve);
    let [entry] = chosen(catalog, Some(curves))?[..] else {
        let message = format!("there are no curves \"{curves}\"");
        return Err(Diagnostic::new(Code::UnknownId, message));
    };
    let own = |refit: &Refit| refit.chip == id;
    if !entry.value.refit.as_ref().is_some_and(own) {
        let message = format!("the curves {curves} are not of the chip {id}, which was measured");
        return Err(Diagnostic::new(Code::Value, message)
            .help("name curves of its own with --chip, in a data folder"));
    }
    let said = SAID.iter().filter_map(|name| {
        let value = measurement.said(name)?;
        Some(format!("{name} {value}"))
    });
    let said = said.collect::<Vec<_>>().join(", ");
    let package = format!("own measurement, {path}: {said}");
    Ok(Fitted {
        fit: refit_measured(chip, &entry.value, &measurement)?,
        package: package.chars().filter(|it| !it.is_control()).collect(),
        entry,
    })
}
