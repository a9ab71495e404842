//! What a person asks of an instance: status, logs, an invocation.

use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::aws;
use crate::error::{Error, IoContext, Result};
use crate::instance::Instance;
use crate::process::{listening, with_environment};
use crate::stack::Stack;

/// How many lines `logs` shows of the past.
const LOG_LINES: &str = "200";

/// Prints parts, functions and queues; false when a part is not running.
pub async fn status(instance: &Instance) -> Result<bool> {
    let parts = instance.parts().parts;
    if parts.is_empty() {
        say("The instance is not up.");
        return Ok(false);
    }
    let mut lines = vec![format!("{:<12} {:>8} {:>6}  STATE", "PART", "PID", "PORT")];
    let mut whole = true;
    for (part, process) in &parts {
        let state = match (process.alive(), listening(process.port)) {
            (true, true) => "running",
            (true, false) => "running, does not answer",
            (false, _) => "gone",
        };
        whole &= state == "running";
        lines.push(format!("{part:<12} {:>8} {:>6}  {state}", process.pid, process.port));
    }
    match instance.stack() {
        Ok(stack) if whole && parts.contains_key("localstack") => {
            lines.extend(queues(&stack).await?);
            lines.extend(functions(&stack));
            lines.push(format!("\n{}", where_to_look(&stack)));
        }
        Ok(_) if whole => {}
        _ => {
            whole = false;
            lines.push("\nIt is not whole: `cargo local up` clears it away and starts anew.".to_owned());
        }
    }
    say(&lines.join("\n"));
    Ok(whole)
}

async fn queues(stack: &Stack) -> Result<Vec<String>> {
    let mut lines =
        vec![format!("\n{:<12} {:>9} {:>11} {:>12}", "QUEUE", "WAITING", "IN FUNCTION", "DEAD LETTERS")];
    for (name, queue) in &stack.deployment.queues {
        let (waiting, taken) = aws::queue_depth(stack, &queue.url).await?;
        let (dead, dead_taken) = aws::queue_depth(stack, &queue.dead_letter_url).await?;
        lines.push(format!("{name:<12} {waiting:>9} {taken:>11} {:>12}", dead + dead_taken));
    }
    Ok(lines)
}

fn functions(stack: &Stack) -> Vec<String> {
    let mut lines = vec![format!("\n{:<12} PROCESSES", "FUNCTION")];
    for (name, full) in &stack.deployment.functions {
        // The endpoint is this instance's alone.
        let running = with_environment(&[
            format!("AWS_LAMBDA_FUNCTION_NAME={full}"),
            format!("AWS_ENDPOINT_URL={}", stack.endpoint),
        ]);
        let pids: Vec<String> = running.iter().map(u32::to_string).collect();
        lines.push(format!("{name:<12} {}", if pids.is_empty() { "-".to_owned() } else { pids.join(" ") }));
    }
    lines
}

/// Prints to standard output. Whoever reads it may have seen enough and left.
pub fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// The addresses that a person or a program needs.
pub fn where_to_look(stack: &Stack) -> String {
    format!(
        "console  {}\nAPI      {}\nlinks    {}\nSFTP     {}:{}\nAWS      {}\nmails    {}\nlogs     {}\nstack    {}",
        stack.console_url,
        stack.api_url,
        stack.collect_url,
        stack.sftp.host,
        stack.sftp.port,
        stack.endpoint,
        stack.sink_dir.display(),
        stack.log_dir.display(),
        stack.path().display(),
    )
}

/// Shows a log by becoming `tail`; comes back only with an error.
pub fn logs(instance: &Instance, name: &str, follow: bool) -> Result<()> {
    let dir = instance.log_dir();
    let candidates = [format!("{name}.log"), format!("broadcast-{name}.log")];
    let Some(path) = candidates.iter().map(|file| dir.join(file)).find(|path| path.exists()) else {
        let entries = std::fs::read_dir(&dir).into_iter().flatten().flatten();
        let mut known: Vec<String> = entries
            .map(|entry| entry.file_name().to_string_lossy().trim_end_matches(".log").to_owned())
            .collect();
        known.sort();
        let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
        return Err(Error::failed(
            format!("there is no log of \"{name}\" in {}", dir.display()),
            format!("A function's log begins with its first invocation. Logs: {known}"),
        ));
    };
    let mut tail = Command::new("tail");
    tail.args(["-n", LOG_LINES]);
    if follow {
        tail.arg("-F");
    }
    Err(tail.arg(&path).exec()).or_cannot(|| format!("show {}", path.display()))
}

/// Invokes a function and prints what it answers; false when that is an error.
pub async fn invoke(instance: &Instance, function: &str, payload: &str) -> Result<bool> {
    serde_json::from_str::<serde_json::Value>(payload)
        .map_err(|source| Error::Json { what: "the payload is not JSON".to_owned(), source })?;
    let answer = aws::invoke(&instance.stack()?, function, payload).await?;
    say(&answer.payload);
    Ok(!answer.failed)
}

/// Prints a secret and nothing else, for a shell's variable.
pub async fn secret(instance: &Instance, name: &str) -> Result<()> {
    say(&aws::secret(&instance.stack()?, name).await?);
    Ok(())
}
