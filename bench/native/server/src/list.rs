//! Lists of workloads, in the shape of wire.md 2.5. The project's slug says how many there are.

use std::sync::LazyLock;

use crate::whole;

static TEN: LazyLock<Vec<u8>> = LazyLock::new(|| of(10));
static THOUSAND: LazyLock<Vec<u8>> = LazyLock::new(|| of(1_000));
static TEN_THOUSAND: LazyLock<Vec<u8>> = LazyLock::new(|| of(10_000));

pub(crate) fn of_project(slug: &str) -> Option<&'static [u8]> {
    match slug {
        "of-10" => Some(&TEN),
        "of-1000" => Some(&THOUSAND),
        "of-10000" => Some(&TEN_THOUSAND),
        _ => None,
    }
}

fn of(count: usize) -> Vec<u8> {
    let workloads: Vec<String> = (0..count).map(workload).collect();
    whole(format!("[{}]", workloads.join(",")).as_bytes())
}

fn workload(number: usize) -> String {
    format!(
        concat!(
            r#"{{"id":"wl_{number:024x}","slug":"bench-{number}","project_id":"proj_00000000000000000000bench","#,
            r#""name":"Bench","description":"The workload number {number} of a project.","task_type":"text2text","#,
            r#""backend":"vllm","model_name":"m","config":{{"max_model_len":8192,"gpu_memory_utilization":0.9,"#,
            r#""command":"vllm serve m --max-model-len 8192"}},"worker_id":null,"gpu_resource_id":null,"#,
            r#""execution_policy":"fixed","execution_policy_config":{{"replicas":1}},"#,
            r#""created_at":"2026-11-01T08:00:00Z","updated_at":"2026-11-02T09:30:00Z"}}"#
        ),
        number = number
    )
}
