//! `host[:port]` in a URL, whoever it belongs to. A problem is said as what comes after the URL's name; it never repeats
//! the text.

use std::net::Ipv6Addr;

/// The host in lower case, an IPv6 address without its brackets, and the port if there is one.
pub(super) fn parse(authority: &str) -> Result<(String, Option<u16>), &'static str> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(literal) => {
            let (address, after) =
                literal.split_once(']').ok_or("has an IPv6 address without its closing bracket")?;
            let address: Ipv6Addr =
                address.parse().map_err(|_| "has no valid IPv6 address in its brackets")?;
            (address.to_string(), after)
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            (host_name(host)?, port)
        }
    };
    Ok((host, port_of(port)?))
}

/// `host` as it stands in a URL: an IPv6 address in brackets.
pub(super) fn bracketed(host: &str) -> String {
    match host.contains(':') {
        true => format!("[{host}]"),
        false => host.to_owned(),
    }
}

/// A DNS name or an IPv4 address, in lower case. Whether it exists is for the resolver to say.
fn host_name(host: &str) -> Result<String, &'static str> {
    if host.is_empty() {
        return Err("has no host");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if !host.bytes().all(allowed) || !host.bytes().any(|byte| byte.is_ascii_alphanumeric()) {
        return Err("has a host with a character that no host name has");
    }
    Ok(host.to_ascii_lowercase())
}

/// What follows the host: nothing, or `:` and 1 to 65535.
fn port_of(text: &str) -> Result<Option<u16>, &'static str> {
    if text.is_empty() {
        return Ok(None);
    }
    text.strip_prefix(':')
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse().ok())
        .filter(|port| *port != 0)
        .map(Some)
        .ok_or("has a port outside 1 to 65535")
}
