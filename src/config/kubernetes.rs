//! Variables that Kubernetes puts into every container of a namespace, for each of its Services: `FANFARE_PORT=tcp://…` for
//! one that is called `fanfare`. They look like settings and are none.

/// Whether a variable is one of these, by its name and its value.
pub(super) fn is_injected(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("FANFARE_") else { return false };
    // Services called `fanfare-web` and the like have more in front.
    let parts: Vec<&str> = rest.split('_').collect();
    (0..parts.len()).any(|at| is_of_service(&parts[at..], value))
}

fn is_of_service(parts: &[&str], value: &str) -> bool {
    let number = |text: &str| text.parse::<u16>().is_ok();
    let protocol = |text: &str| matches!(text, "TCP" | "UDP" | "SCTP");
    let url = || ["tcp://", "udp://", "sctp://"].iter().any(|scheme| value.starts_with(scheme));
    match parts {
        ["SERVICE", "HOST"] => value.parse::<std::net::IpAddr>().is_ok(),
        ["SERVICE", "PORT", ..] => number(value),
        ["PORT"] => url(),
        ["PORT", port, kind] => number(port) && protocol(kind) && url(),
        ["PORT", port, kind, "PROTO" | "PORT" | "ADDR"] => number(port) && protocol(kind),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_injected;

    #[test]
    fn variables_of_services_are_told_from_settings() {
        let injected = [
            ("FANFARE_SERVICE_HOST", "10.0.0.7"),
            ("FANFARE_SERVICE_PORT", "4433"),
            ("FANFARE_SERVICE_PORT_WEB", "4433"),
            ("FANFARE_PORT", "tcp://10.0.0.7:4433"),
            ("FANFARE_PORT_4433_TCP", "tcp://10.0.0.7:4433"),
            ("FANFARE_PORT_4433_UDP", "udp://10.0.0.7:4433"),
            ("FANFARE_PORT_4433_TCP_ADDR", "10.0.0.7"),
            ("FANFARE_PORT_4433_TCP_PORT", "4433"),
            ("FANFARE_PORT_4433_TCP_PROTO", "tcp"),
            ("FANFARE_WEB_SERVICE_HOST", "fd00::1"),
            ("FANFARE_WEB_PORT", "tcp://[fd00::1]:80"),
        ];
        for (name, value) in injected {
            assert!(is_injected(name, value), "{name}");
        }
        let others = [
            ("FANFARE_PORT", "4433"),
            ("FANFARE_LISTEN", "0.0.0.0:4433"),
            ("FANFARE_SERVICE_HOST", "example"),
            ("FANFARE_PORT_TCP", "tcp://10.0.0.7:4433"),
            ("FANFARE_LIMITS__CONNECTIONS", "1"),
            ("OTHER_SERVICE_HOST", "10.0.0.7"),
        ];
        for (name, value) in others {
            assert!(!is_injected(name, value), "{name}");
        }
    }
}
