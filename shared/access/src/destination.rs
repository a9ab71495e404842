//! Whether a webhook may go to an address. A tenant names where; it must not make us speak to what only we can reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Network;

/// Where clouds give credentials to whoever asks from inside: never, whatever networks are allowed. AWS, of both kinds, and Azure's, which is
/// a public address by its number.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
];

/// What is no address of a host on the internet (IANA IPv4 Special-Purpose Address Registry), and multicast.
const CLOSED_V4: [(Ipv4Addr, u32); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Hosts on the internet have addresses from here (RFC 4291, 2.4; IANA IPv6 Address Space): that leaves out loopback, unique local, link-local,
/// site-local, multicast, and all forms that are not named below.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// What of it is none: protocol assignments with Teredo (which hides an IPv4 address), and documentation.
const CLOSED_V6: [(Ipv6Addr, u32); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether a webhook may go there: to public addresses, and to `networks`, which a local stack or a private installation names.
pub fn may_be_told(address: IpAddr, networks: &[Network]) -> bool {
    let address = meant(address);
    !METADATA.contains(&address)
        && (is_public(address) || networks.iter().any(|network| network.contains(address)))
}

/// The IPv4 address that an IPv6 address leads to: mapped (RFC 4291, 2.5.5.2), by NAT64 (RFC 6052, 2.1) or 6to4 (RFC 3056, 2).
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))),
        _ => address,
    }
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !CLOSED_V4
            .iter()
            .any(|(network, prefix)| (address.to_bits() ^ network.to_bits()).leading_zeros() >= *prefix),
        IpAddr::V6(address) => {
            let lies_in = |(network, prefix): &(Ipv6Addr, u32)| {
                (address.to_bits() ^ network.to_bits()).leading_zeros() >= *prefix
            };
            lies_in(&GLOBAL_V6) && !CLOSED_V6.iter().any(lies_in)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLIC: [&str; 28] = [
        "1.0.0.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "168.63.129.15",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "198.51.101.0",
        "203.0.114.0",
        "223.255.255.255",
        "2600:1f18::1",
        "2a00:1450:4001:80b::200e",
        "2001:200::1",
        "2001:db7:ffff::1",
        "3ffe:ffff::1",
    ];

    const CLOSED: [&str; 47] = [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.0",
        "100.100.100.200",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::808:808",
        "64:ff9b:1::808:808",
        "100::1",
        "2001::1",
        "2001:0:808:808::1",
        "2001:2::1",
        "2001:20::1",
        "2001:1ff:ffff::1",
        "2001:db8::1",
        "3fff::1",
        "3fff:fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "ff02::1",
    ];

    /// IPv4 addresses inside of others: each form of an address is what the address is.
    fn forms(address: Ipv4Addr) -> [IpAddr; 4] {
        let [a, b, c, d] = address.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        [
            address.into(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low).into(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low).into(),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1).into(),
        ]
    }

    fn all_forms(addresses: &[&str]) -> Vec<IpAddr> {
        let parsed = addresses.iter().map(|address| address.parse().unwrap());
        parsed
            .flat_map(|address| match address {
                IpAddr::V4(address) => forms(address).to_vec(),
                IpAddr::V6(_) => vec![address],
            })
            .collect()
    }

    #[test]
    fn public_addresses_alone_are_allowed() {
        for address in all_forms(&PUBLIC) {
            assert!(may_be_told(address, &[]), "{address}");
        }
        for address in all_forms(&CLOSED) {
            assert!(!may_be_told(address, &[]), "{address}");
        }
    }

    #[test]
    fn a_private_installation_names_its_networks() {
        let networks = ["10.1.0.0/16", "fd00::/8", "169.254.0.0/16"].map(|network| network.parse().unwrap());
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("64:ff9b::a01:203", true),
            ("10.2.0.0", false),
            ("fd12::1", true),
            ("fc12::1", false),
            ("127.0.0.1", false),
            ("8.8.8.8", true),
            ("169.254.1.1", true),
            // Whatever is named: credentials are not given away.
            ("169.254.169.254", false),
            ("::ffff:169.254.169.254", false),
            ("64:ff9b::a9fe:a9fe", false),
            ("2002:a9fe:a9fe::1", false),
            ("fd00:ec2::254", false),
        ] {
            assert_eq!(may_be_told(address.parse().unwrap(), &networks), expected, "{address}");
        }
    }
}
