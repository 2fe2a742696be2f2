//! Diagnostics as the terminal shows them.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use chokepoint_engine::diag::Diagnostic;

/// A diagnostic with the lines of the file that it points at.
pub fn render(problem: &Diagnostic) -> String {
    let title = Level::ERROR
        .primary_title(&problem.message)
        .id(problem.code.name());
    let mut group = match &problem.place {
        Some(place) => title.element(
            Snippet::source(&place.text)
                .path(&place.file)
                .annotation(AnnotationKind::Primary.span(place.span.clone())),
        ),
        None => annotate_snippets::Group::with_title(title),
    };
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help));
    }
    Renderer::plain().render(&[group])
}
