//! What a serving engine of the catalogue means for a prediction.

use chokepoint_catalog::{Batching, Catalog, MemoryShare as Share, Rate, ServingEngine};
use chokepoint_diag::{Code, Diagnostic};
use chokepoint_serve::{MemoryShare, Rates, Software};

/// An engine that batches continuously, by its id.
///
/// # Errors
/// When there is none of that id, or its batches start and end together.
pub(crate) fn engine_named<'a>(
    catalog: &'a Catalog,
    id: &str,
) -> Result<&'a ServingEngine, Diagnostic> {
    let engine = catalog.engine(id)?;
    if engine.batching == Batching::Static {
        let message = format!("batches of engine \"{id}\" start and end together");
        let help = "name an engine to whose batches requests can be added: chokepoint catalog list";
        return Err(Diagnostic::new(Code::Value, message).help(help));
    }
    Ok(engine)
}

/// An engine on the chips of a calibration; kernels alone where none is named.
pub(crate) fn software_of(engine: Option<&ServingEngine>, curves: &str) -> Software {
    engine.map_or(Software::KERNELS, |engine| serving_software(engine, curves))
}

/// An engine on the chips of a calibration.
pub(crate) fn serving_software(engine: &ServingEngine, curves: &str) -> Software {
    let rate = |rate: &Rate| rate.on(curves).value;
    let rates = &engine.rates;
    Software {
        host: engine.iteration_host.value,
        host_per_sequence: engine.sequence_host.value,
        request_host: engine.request_host.value,
        host_overlapped: engine.overlaps,
        kernel_start: engine.launch.value,
        prompt_start: engine.prompt_launch.value,
        graph_sequences: engine.graph_batch.value,
        rates: Rates {
            gemm: rate(&rates.gemm),
            grouped: rate(&rates.grouped),
            prefill: rate(&rates.prefill),
            decode: rate(&rates.decode),
            elementwise: rate(&rates.elementwise),
            communication: rate(&rates.communication),
        },
        token_spread: engine.token_spread.value,
        memory_share: engine.memory_share.value,
        memory_share_of: match engine.memory_share_of {
            Share::Whole => MemoryShare::Whole,
            Share::Free => MemoryShare::Left,
        },
        runtime: engine.runtime_memory.value,
        reserves_answers: engine.reserves_answers,
        most_tokens: engine.batched_tokens.value,
        most_sequences: engine.sequences.value as u64,
        mixes: engine.batching == Batching::Mixed,
        two_batches: engine.two_batches,
        exchange_processors: engine.exchange_processors,
        layerwise_transfer: true,
    }
}
