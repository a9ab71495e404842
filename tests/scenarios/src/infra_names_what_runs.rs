//! What Terraform makes is what the local stack makes and what runs: the same functions, queues, schedules, buckets and times. Each has its own
//! timeouts and sizes.

use std::{collections::BTreeMap, fmt::Debug, path::Path};

/// Names to their settings, as either side writes them.
type Table = BTreeMap<String, BTreeMap<String, String>>;

fn file(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A map of `functions.tf`: a line for each name. The providers' schema is checked elsewhere.
fn terraform(name: &str) -> Table {
    let text = file("infra/modules/broadcast/functions.tf");
    let (_, rest) = text.split_once(&format!("\n  {name} = {{\n")).unwrap_or_else(|| panic!("no {name}"));
    let (lines, _) = rest.split_once("\n  }\n").unwrap();
    let entry = |line: &str| {
        let (name, settings) = line.split_once('=')?;
        let settings = settings.trim().trim_start_matches('{').trim_end_matches('}').split(", ");
        let pairs = settings.filter_map(|pair| pair.split_once(" = "));
        let pairs =
            pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()));
        Some((name.trim().to_owned(), pairs.collect()))
    };
    lines.lines().filter_map(entry).collect()
}

/// One kind of part of `stack.toml`.
fn local(kind: &str) -> Table {
    let stack: toml::Value = toml::from_str(&file("localstack/stack.toml")).unwrap();
    let parts = stack[kind].as_array().unwrap().iter().map(|part| {
        let part = part.as_table().unwrap();
        let plain = |value: &toml::Value| value.to_string().trim_matches('"').to_owned();
        let settings = part.iter().map(|(key, value)| (key.clone(), plain(value)));
        (part["name"].as_str().unwrap().to_owned(), settings.collect())
    });
    parts.collect()
}

/// One setting of all that have it.
fn column(table: &Table, setting: &str) -> BTreeMap<String, String> {
    table.iter().filter_map(|(name, settings)| Some((name.clone(), settings.get(setting)?.clone()))).collect()
}

fn alike<T: PartialEq + Debug>(what: &str, terraform: &T, local: &T) {
    assert_eq!(terraform, local, "{what}: infra/modules/broadcast/functions.tf and localstack/stack.toml");
}

#[test]
fn functions_queues_and_schedules_are_the_same() {
    let (functions, queues, local_functions) =
        (terraform("functions"), terraform("queues"), local("function"));
    alike("functions", &functions.keys().collect::<Vec<_>>(), &local_functions.keys().collect());
    alike("receives", &column(&queues, "receives_max"), &column(&local("queue"), "receives_max"));
    alike("batches", &column(&queues, "batch"), &column(&local_functions, "batch"));
    alike("schedules", &column(&terraform("schedules"), "expression"), &column(&local_functions, "schedule"));
    assert_eq!(column(&local_functions, "schedule")["sweep"], "rate(5 minutes)");
    for name in functions.keys().map(String::as_str).chain(["gateway"]) {
        file(&format!("infra/modules/broadcast/{name}.tf"));
    }
}

#[test]
fn buckets_and_times_are_the_same() {
    let buckets = local("bucket");
    let storage = file("infra/modules/broadcast/storage.tf");
    let names: Vec<String> = buckets.keys().map(|name| format!("\"{name}\"")).collect();
    let (_, list) = storage.split_once("for bucket in [").unwrap();
    let mut made: Vec<&str> = list.split(']').next().unwrap().split(", ").collect();
    made.sort_unstable();
    alike("buckets", &made, &names.iter().map(String::as_str).collect());
    let text = file("infra/modules/broadcast/functions.tf");
    let times = |name: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap();
        line.split('=').nth(1).unwrap().trim().to_owned()
    };
    for (bucket, days) in column(&buckets, "expire_days") {
        alike(&bucket, &times(&format!("{bucket}_days")), &days);
    }
    let stack: toml::Value = toml::from_str(&file("localstack/stack.toml")).unwrap();
    for setting in ["queue_seconds", "dead_letter_seconds"] {
        alike(setting, &times(setting), &stack["retention"][setting].to_string());
    }
}
