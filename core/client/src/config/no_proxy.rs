//! `NO_PROXY`: the hosts that are reached without the proxy (wire.md 1.1).

use std::net::IpAddr;

use ipnet::IpNet;

use super::BaseUrl;

/// Is `target` in `list`? Entries are parted by commas or blanks: `*`, a host (with all names under it), `.suffix`, an
/// address, a CIDR block; a `:port` narrows an entry. As curl has it, `.suffix` includes the name itself, and names are
/// not resolved for a comparison with addresses. What is none of these matches nothing.
pub(super) fn exempts(list: &str, target: &BaseUrl) -> bool {
    let entries = list.split(|c: char| c == ',' || c.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).any(|entry| matches(entry, target))
}

fn matches(entry: &str, target: &BaseUrl) -> bool {
    if entry == "*" {
        return true;
    }
    let address = address(&target.host);
    if let Ok(block) = entry.parse::<IpNet>() {
        return address.is_some_and(|address| block.contains(&address));
    }
    let (host, port) = with_port(entry);
    if port.is_some_and(|port| port != target.port.to_string()) {
        return false;
    }
    match (address, self::address(host)) {
        (Some(address), Some(listed)) => address == listed,
        (None, None) => is_under(&target.host, host),
        _ => false,
    }
}

/// An entry's host without brackets, and its port. An IPv6 address with a port has brackets.
fn with_port(entry: &str) -> (&str, Option<&str>) {
    if let Some((host, rest)) = entry.strip_prefix('[').and_then(|entry| entry.split_once(']')) {
        return (host, rest.strip_prefix(':'));
    }
    match entry.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

fn address(host: &str) -> Option<IpAddr> {
    host.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Is `host` the listed name, or a name under it?
fn is_under(host: &str, listed: &str) -> bool {
    let listed = listed.strip_prefix('*').unwrap_or(listed).trim_matches('.').to_ascii_lowercase();
    let host = host.trim_end_matches('.');
    match host.strip_suffix(&listed) {
        Some(rest) => !listed.is_empty() && (rest.is_empty() || rest.ends_with('.')),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        name: String,
        no_proxy: String,
        base_url: String,
        direct: bool,
    }

    #[test]
    fn shared_cases() {
        let cases = include_str!("../../../../tests/vectors/no_proxy.json");
        let cases: Vec<Case> = serde_json::from_str(cases).expect("cases");
        for case in cases {
            let target = BaseUrl::parse(&case.base_url, true).expect("a base URL");
            assert_eq!(exempts(&case.no_proxy, &target), case.direct, "{}", case.name);
        }
    }
}
