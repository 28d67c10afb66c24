//! `[http]`: the port for `/metrics`, `/healthz` and `/readyz`.

use std::net::{Ipv4Addr, SocketAddr};

use super::section::section;

section! {
    /// The port for `/metrics`, `/healthz` and `/readyz`.
    pub struct Http {
        /// Where to listen. Other machines reach it only at another address than the loopback's.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 9464));
    }
}
