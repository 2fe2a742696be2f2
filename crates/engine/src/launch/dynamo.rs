//! A `DynamoGraphDeployment` of NVIDIA Dynamo with vLLM workers (`nvidia.com/v1alpha1`; disaggregated
//! serving and multinode deployments in docs.nvidia.com/dynamo).

use std::fmt::Write as _;

use chokepoint_serve::Pool;

use super::arguments::{Arguments, comments};
use super::{Launch, Launcher, Role, vllm};

/// The whole file.
pub(super) fn deployment(launch: &Launch) -> String {
    let mut lines = launch.heading(Launcher::Dynamo);
    lines.push(
        "IMAGE is a vllm-runtime image; the name, secrets and volumes of the model are yours."
            .to_owned(),
    );
    let mut out = comments(&lines);
    out += "apiVersion: nvidia.com/v1alpha1\nkind: DynamoGraphDeployment\nmetadata:\n  name: serve\n\
            spec:\n  backendFramework: vllm\n  services:\n    Frontend:\n      componentType: frontend\n      replicas: 1\n      \
            extraPodSpec:\n        mainContainer:\n          image: IMAGE\n";
    for (role, pool) in launch.pools() {
        out += &worker(launch, role, &pool);
    }
    out
}

fn worker(launch: &Launch, role: Role, pool: &Pool) -> String {
    let name = match role {
        Role::Both => "VllmWorker",
        Role::Prefill => "VllmPrefillWorker",
        Role::Decode => "VllmDecodeWorker",
    };
    let mut out = format!("    {name}:\n      componentType: worker\n");
    let mut flags = Arguments::default();
    flags.put("--model", "MODEL");
    if role != Role::Both {
        let _ = writeln!(out, "      subComponentType: {}", role.name());
        flags.put("--disaggregation-mode", role.name());
    }
    let nodes = launch.nodes(&pool.layout);
    let _ = writeln!(out, "      replicas: {}", pool.instances);
    if nodes > 1 {
        let _ = writeln!(out, "      multinode:\n        nodeCount: {nodes}");
    }
    let _ = write!(
        out,
        "      resources:\n        limits:\n          gpu: \"{}\"\n      extraPodSpec:\n        mainContainer:\n          image: IMAGE\n          \
         command: [\"python3\", \"-m\", \"dynamo.vllm\"]\n          args:\n",
        pool.layout.chips().div_ceil(nodes)
    );
    out += &flags.yaml(12);
    out += &vllm::arguments(launch, role, pool).yaml(12);
    out
}
