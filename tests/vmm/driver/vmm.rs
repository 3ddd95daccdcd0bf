//! The sessions of VMMs: in which order each sends what to the backend.

use crate::guest::{Guest, EVENT_IDX, INDIRECT, PACKED};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;
#[cfg(feature = "device-state")]
use vhost::vhost_user::message::{VhostTransferStateDirection, VhostTransferStatePhase};
use vhost::vhost_user::message::{
    VhostUserHeaderFlag, VhostUserInflight, VhostUserProtocolFeatures, VhostUserVirtioFeatures,
};
use vhost::vhost_user::{Frontend, VhostUserFrontend};
use vhost::{VhostBackend, VringConfigData};

type Protocol = VhostUserProtocolFeatures;

const VERSION_1: u64 = 1 << 32;
const LOG_ALL: u64 = VhostUserVirtioFeatures::LOG_ALL.bits();
const PROTOCOL: u64 = VhostUserVirtioFeatures::PROTOCOL_FEATURES.bits();
const FLAG_LOG: u32 = 1;
const WANTED: u64 = VERSION_1 | EVENT_IDX | INDIRECT | PROTOCOL | LOG_ALL;

pub struct Vmm {
    pub frontend: Frontend,
    /// The same connection, for what the crate does not send.
    pub raw: UnixStream,
    pub features: u64,
    pub protocol: Protocol,
    pub inflight: Option<(VhostUserInflight, File)>,
}

impl Vmm {
    fn connect(socket: &Path) -> Self {
        let raw = UnixStream::connect(socket).unwrap();
        raw.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Vmm {
            frontend: Frontend::from_stream(raw.try_clone().unwrap(), 1),
            raw,
            features: 0,
            protocol: Protocol::empty(),
            inflight: None,
        }
    }

    fn negotiate(&mut self, guest: &Guest, wanted: Protocol) {
        self.features = self.frontend.get_features().unwrap() & (WANTED | guest.form);
        assert_eq!(self.features & (PROTOCOL | guest.form), PROTOCOL | guest.form);
        self.protocol = self.frontend.get_protocol_features().unwrap() & wanted;
        self.frontend.set_protocol_features(self.protocol).unwrap();
        if self.protocol.contains(Protocol::REPLY_ACK) {
            self.frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        }
    }

    fn share_memory(&self, guest: &Guest) {
        self.frontend.set_mem_table(&[guest.ram.region()]).unwrap();
    }

    fn addresses(&self, guest: &Guest, log: bool) {
        let (desc, used, avail) = guest.ram.ring();
        let config = VringConfigData {
            queue_max_size: guest.size,
            queue_size: guest.size,
            flags: if log { FLAG_LOG } else { 0 },
            desc_table_addr: desc,
            used_ring_addr: used,
            avail_ring_addr: avail,
            log_addr: log.then(|| guest.ram.used_gpa()),
        };
        self.frontend.set_vring_addr(0, &config).unwrap();
    }

    pub fn enable(&mut self, on: bool) {
        self.frontend.set_vring_enable(0, on).unwrap();
    }

    /// The ring, once memory and features are set.
    pub fn start_ring(&mut self, guest: &Guest, base: u32) {
        self.frontend.set_vring_num(0, guest.size).unwrap();
        self.addresses(guest, false);
        self.set_base(base);
        self.frontend.set_vring_call(0, &guest.call).unwrap();
        self.frontend.set_vring_kick(0, &guest.kick).unwrap();
        self.enable(true);
    }

    /// SET_VRING_BASE, in which the crate has no room for that of a packed ring: the
    /// places of the next available and, in the upper half, used descriptor.
    fn set_base(&mut self, base: u32) {
        if self.features & PACKED == 0 {
            return self.frontend.set_vring_base(0, base.try_into().unwrap()).unwrap();
        }
        let ack = self.protocol.contains(Protocol::REPLY_ACK);
        let mut message = Vec::new();
        for word in [10, if ack { 9 } else { 1 }, 8, 0, base] {
            message.extend(u32::to_ne_bytes(word));
        }
        self.raw.write_all(&message).unwrap();
        if ack {
            let mut reply = [0xff; 20];
            self.raw.read_exact(&mut reply).unwrap();
            assert_eq!(reply[12..], [0; 8]);
        }
    }

    /// Stops the ring as QEMU and crosvm do; returns the base to go on with.
    pub fn stop_ring(&mut self) -> u32 {
        self.enable(false);
        self.frontend.get_vring_base(0).unwrap()
    }

    /// What cloud-hypervisor sends: everything acknowledged, the in-flight region
    /// before the ring.
    pub fn cloud_hypervisor(socket: &Path, guest: &mut Guest) -> Self {
        Self::hypervisor(socket, guest, Protocol::empty())
    }

    /// A VMM without a record of the requests in flight.
    pub fn without_record(socket: &Path, guest: &mut Guest) -> Self {
        Self::hypervisor(socket, guest, Protocol::INFLIGHT_SHMFD)
    }

    fn hypervisor(socket: &Path, guest: &mut Guest, without: Protocol) -> Self {
        let mut vmm = Self::connect(socket);
        vmm.frontend.set_owner().unwrap();
        vmm.negotiate(guest, Self::hypervisor_protocol() & !without);
        assert_eq!(vmm.frontend.get_queue_num().unwrap(), 1);
        vmm.activate(guest, guest.first_base());
        vmm
    }

    fn hypervisor_protocol() -> Protocol {
        Protocol::CONFIG
            | Protocol::MQ
            | Protocol::CONFIGURE_MEM_SLOTS
            | Protocol::REPLY_ACK
            | Protocol::INFLIGHT_SHMFD
            | Protocol::LOG_SHMFD
            | Protocol::DEVICE_STATE
            | Protocol::BACKEND_REQ
    }

    fn activate(&mut self, guest: &mut Guest, base: u32) {
        guest.event_idx = self.features & EVENT_IDX != 0;
        self.frontend.set_features(self.features & !LOG_ALL).unwrap();
        self.share_memory(guest);
        self.frontend.set_vring_num(0, guest.size).unwrap();
        if self.inflight.is_none() && self.protocol.contains(Protocol::INFLIGHT_SHMFD) {
            let ask = VhostUserInflight::new(0, 0, 1, guest.size);
            self.inflight = Some(self.frontend.get_inflight_fd(&ask).unwrap());
        }
        if let Some((info, file)) = self.inflight.as_ref() {
            self.frontend.set_inflight_fd(info, file.as_raw_fd()).unwrap();
        }
        self.addresses(guest, false);
        self.set_base(base);
        self.frontend.set_vring_call(0, &guest.call).unwrap();
        self.frontend.set_vring_kick(0, &guest.kick).unwrap();
        self.enable(true);
    }

    /// cloud-hypervisor after the backend was lost: it knows the features, and has
    /// the region of the requests in flight or begins again behind what was used.  A
    /// packed ring has no index for that: it is in the region, whatever the base.
    pub fn reconnect(self, socket: &Path, guest: &mut Guest) -> Self {
        let mut vmm = Self::connect(socket);
        vmm.frontend.set_owner().unwrap();
        vmm.frontend.get_features().unwrap();
        vmm.features = self.features;
        vmm.protocol = self.protocol;
        vmm.inflight = self.inflight;
        vmm.frontend.set_protocol_features(vmm.protocol).unwrap();
        vmm.frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
        let packed = guest.form & PACKED != 0;
        let used = u32::from(guest.ram.used_idx());
        vmm.activate(guest, if packed { guest.first_base() } else { used });
        vmm
    }

    /// Until the last process of the backend has closed the connection.
    pub fn await_end(&mut self) {
        let end = self.raw.read(&mut [0; 1]);
        assert!(
            matches!(end, Ok(0))
                || end.is_err_and(|e| e.raw_os_error() == Some(libc::ECONNRESET))
        );
    }

    /// What crosvm sends: nothing is acknowledged, configuration space is read
    /// without CONFIG.
    pub fn crosvm(socket: &Path, guest: &mut Guest) -> Self {
        let mut vmm = Self::connect(socket);
        vmm.frontend.set_owner().unwrap();
        vmm.negotiate(
            guest,
            Protocol::CONFIG
                | Protocol::MQ
                | Protocol::BACKEND_REQ
                | Protocol::DEVICE_STATE
                | Protocol::REPLY_ACK,
        );
        vmm.frontend.set_hdr_flags(VhostUserHeaderFlag::empty());
        assert_eq!(vmm.frontend.get_queue_num().unwrap(), 1);
        vmm.read_config(0, 8);
        guest.event_idx = vmm.features & EVENT_IDX != 0;
        vmm.features &= !LOG_ALL;
        vmm.frontend.set_features(vmm.features).unwrap();
        vmm.read_config(4, 4);
        vmm.share_memory(guest);
        vmm.start_ring(guest, 0);
        vmm
    }

    /// GET_CONFIG, which the crate refuses to send without CONFIG.
    pub fn read_config(&mut self, offset: u32, size: u32) {
        let mut message = Vec::new();
        for word in [24, 1, 12 + size, offset, size, 0] {
            message.extend(u32::to_ne_bytes(word));
        }
        message.resize(message.len() + size as usize, 0);
        self.raw.write_all(&message).unwrap();
        let mut reply = vec![0xff; message.len()];
        self.raw.read_exact(&mut reply).unwrap();
        message[4] = 5; // version 1, a reply
        assert_eq!(reply, message);
    }

    /// What libkrun sends: CONFIG and MQ only, the owner after the features, the
    /// base first.
    pub fn libkrun(socket: &Path, guest: &mut Guest) -> Self {
        let mut vmm = Self::connect(socket);
        vmm.negotiate(guest, Protocol::CONFIG | Protocol::MQ);
        vmm.frontend.set_owner().unwrap();
        vmm.share_memory(guest);
        guest.event_idx = vmm.features & EVENT_IDX != 0;
        vmm.features &= !LOG_ALL;
        vmm.frontend.set_features(vmm.features).unwrap();
        vmm.frontend.set_vring_num(0, guest.size).unwrap();
        vmm.frontend.set_vring_base(0, 0).unwrap();
        vmm.addresses(guest, false);
        vmm.frontend.set_vring_kick(0, &guest.kick).unwrap();
        vmm.frontend.set_vring_call(0, &guest.call).unwrap();
        vmm.enable(true);
        vmm
    }

    /// Starts or ends the dirty log, as cloud-hypervisor does while it migrates.
    pub fn log(&mut self, guest: &Guest, bitmap: Option<&crate::guest::Memory>) {
        if let Some(bitmap) = bitmap {
            let info = bitmap.region();
            let region = vhost::VhostUserDirtyLogRegion {
                mmap_size: info.memory_size,
                mmap_offset: 0,
                mmap_handle: info.mmap_handle,
            };
            if cfg!(feature = "no-log-reply") {
                self.frontend.set_hdr_flags(VhostUserHeaderFlag::empty());
            }
            self.frontend.set_log_base(0, Some(region)).unwrap();
            if cfg!(feature = "no-log-reply") {
                self.raw.read_exact(&mut [0; 12 + 16]).unwrap();
                self.frontend.set_hdr_flags(VhostUserHeaderFlag::NEED_REPLY);
            }
        }
        let log = if bitmap.is_some() { LOG_ALL } else { 0 };
        self.frontend.set_features(self.features & !LOG_ALL | log).unwrap();
        self.addresses(guest, bitmap.is_some());
    }

    /// What comes out of SET_DEVICE_STATE_FD, up to its end.
    #[cfg(feature = "device-state")]
    pub fn save(&mut self) -> Vec<u8> {
        let (mut reader, writer) = std::io::pipe().unwrap();
        self.transfer(VhostTransferStateDirection::SAVE, writer.into());
        let mut state = Vec::new();
        reader.read_to_end(&mut state).unwrap();
        self.frontend.check_device_state().unwrap();
        state
    }

    #[cfg(feature = "device-state")]
    pub fn load(&mut self, state: &[u8]) {
        let (reader, mut writer) = std::io::pipe().unwrap();
        self.transfer(VhostTransferStateDirection::LOAD, reader.into());
        writer.write_all(state).unwrap();
        drop(writer);
        self.frontend.check_device_state().unwrap();
    }

    #[cfg(feature = "device-state")]
    fn transfer(&mut self, direction: VhostTransferStateDirection, fd: std::os::fd::OwnedFd) {
        let phase = VhostTransferStatePhase::STOPPED;
        let other = self.frontend.set_device_state_fd(direction, phase, fd).unwrap();
        assert!(other.is_none());
    }
}
