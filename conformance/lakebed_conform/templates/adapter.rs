// A Lakebed port in Rust: answers one JSON line per request. Fill in `read` with your implementation.
// Requests are flat objects; the few functions below read them without any crate. Use serde_json where you have it.
use std::io::{self, BufRead, Write};

const HELLO: &str = r#""ok":true,"protocol":1,"name":"mylib","version":"0","language":"rust","formats":["1.0"],"roles":["reader"],"features":[]"#;

/// A refusal: the spec's code (E_ANY until you map yours) and words for people.
struct Refused(&'static str, String);

/// `out` gets the items' bytes, back to back; the reply is dtype and the shapes, null for a missing sample.
fn read(root: &str, tensor: &str, rows: Option<Vec<u64>>, out: &str) -> Result<String, Refused> {
    let _ = (root, tensor, rows, out); // let samples = mylib::open(root)?.tensor(tensor)?.read(rows)?; std::fs::write(out, bytes)
    Err(Refused("E_ANY", "read is not written yet".into()))
}

fn answer(line: &str) -> Result<String, Refused> {
    let op = text(line, "op").unwrap_or_default();
    match op.as_str() {
        "hello" => Ok(HELLO.into()),
        "read" => {
            let need = |key: &str| text(line, key).ok_or(Refused("E_ANY", format!("no {key}")));
            let reply = read(&need("root")?, &need("tensor")?, rows(line), &need("out")?)?;
            Ok(format!("\"ok\":true,{reply}"))
        }
        // a reader owes these too: the commit's metadata as JSON, and one sample's stored file, written to `out`
        "inspect" | "read_file" => Err(Refused("E_ANY", format!("{op} is not written yet"))),
        other => Ok(format!("\"skip\":{}", quoted(other))),
    }
}

fn main() {
    for line in io::stdin().lock().lines().map_while(Result::ok) {
        let body = answer(&line).unwrap_or_else(|Refused(code, why)| {
            format!("\"ok\":false,\"error\":{{\"code\":\"{code}\",\"detail\":{}}}", quoted(&why))
        });
        println!("{{\"id\":{},{body}}}", after(&line, "id").map_or("0".into(), |v| v.chars().take_while(char::is_ascii_digit).collect::<String>()));
        io::stdout().flush().unwrap();
    }
}

/// What stands behind `"key":`.
fn after<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let at = line.find(&format!("\"{key}\":"))?;
    Some(line[at + key.len() + 3..].trim_start())
}

/// The string that is the value of `key`.
fn text(line: &str, key: &str) -> Option<String> {
    unquoted(after(line, key)?).map(|(value, _)| value)
}

/// The rows asked for: a list, or first and count; None means all.
fn rows(line: &str) -> Option<Vec<u64>> {
    if let Some(mut rest) = after(line, "list").and_then(|v| v.strip_prefix('[')) {
        let mut found = vec![];
        while let Some((value, more)) = unquoted(rest.trim_start_matches([',', ' '])) {
            found.push(value.parse().ok()?);
            rest = more;
        }
        return Some(found);
    }
    let first: u64 = text(line, "first")?.parse().ok()?;
    Some((first..first + text(line, "count")?.parse::<u64>().ok()?).collect())
}

/// A JSON string at the start of `from`, and what follows it.
fn unquoted(from: &str) -> Option<(String, &str)> {
    let (mut out, mut units) = (String::new(), vec![]);
    let mut chars = from.strip_prefix('"')?.char_indices();
    while let Some((at, c)) = chars.next() {
        let escaped = if c == '\\' { chars.next()?.1 } else { '\0' };
        if escaped == 'u' {
            let hex: String = (0..4).filter_map(|_| chars.next().map(|x| x.1)).collect();
            units.push(u16::from_str_radix(&hex, 16).ok()?);
            continue;
        }
        out += &String::from_utf16_lossy(&std::mem::take(&mut units));
        match (c, escaped) {
            ('"', _) => return Some((out, &from[at + 2..])),
            ('\\', 'n') => out.push('\n'),
            ('\\', 't') => out.push('\t'),
            ('\\', other) => out.push(other),
            _ => out.push(c),
        }
    }
    None
}

fn quoted(text: &str) -> String {
    let safe: String = text.chars().map(|c| if c < ' ' { ' ' } else { c }).collect();
    format!("\"{}\"", safe.replace('\\', "\\\\").replace('"', "\\\""))
}
