//! Guest memory and the guest's driver of one virtqueue, split or packed.  It knows
//! of each request what came back, and fails if a byte is missing, written where it
//! was not asked for, or delivered twice.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::atomic::{fence, AtomicU16, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vhost::VhostUserMemoryRegionInfo;
use vmm_sys_util::eventfd::{EventFd, EFD_CLOEXEC, EFD_NONBLOCK};

const DESC: u64 = 0x10_0000;
const AVAIL: u64 = 0x20_0000;
const USED: u64 = 0x30_0000;
const BUFFERS: u64 = 0x40_0000;
const TABLES: u64 = 0x38_0000;
const RAM: u64 = 0x200_0000;
const FILL: u8 = 0xa5;
const GUARD: u64 = 64;
const PATIENCE: Duration = Duration::from_secs(30);

pub const EVENT_IDX: u64 = 1 << 29;
pub const INDIRECT: u64 = 1 << 28;
pub const PACKED: u64 = 1 << 34;
pub const IN_ORDER: u64 = 1 << 35;

// Flags of descriptors, the last two of those in a packed ring.
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const TABLE: u16 = 4;
const AVAIL_FLAG: u16 = 1 << 7;
const USED_FLAG: u16 = 1 << 15;

/// The wrap counter in a place in a packed ring; the place where a ring starts.
const WRAP: u16 = 1 << 15;

/// A memory file, mapped, at a guest address.
pub struct Memory {
    file: File,
    base: *mut u8,
    pub gpa: u64,
    pub size: u64,
}

// SAFETY: the mapping lives as long as the value.
unsafe impl Send for Memory {}
unsafe impl Sync for Memory {}

impl Memory {
    pub fn new(gpa: u64, size: u64) -> Self {
        // SAFETY: fresh descriptors and mappings, checked.
        unsafe {
            let fd = libc::memfd_create(c"guest".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0);
            let file = File::from_raw_fd(fd);
            file.set_len(size).unwrap();
            let base = libc::mmap(
                std::ptr::null_mut(),
                size as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd,
                0,
            );
            assert!(base != libc::MAP_FAILED);
            Memory { file, base: base.cast(), gpa, size }
        }
    }

    pub fn region(&self) -> VhostUserMemoryRegionInfo {
        VhostUserMemoryRegionInfo {
            guest_phys_addr: self.gpa,
            memory_size: self.size,
            userspace_addr: self.base as u64,
            mmap_offset: 0,
            mmap_handle: self.file.as_raw_fd(),
        }
    }

    fn at(&self, gpa: u64, len: u64) -> *mut u8 {
        assert!(gpa >= self.gpa && gpa + len <= self.gpa + self.size);
        // SAFETY: within the mapping.
        unsafe { self.base.add((gpa - self.gpa) as usize) }
    }

    fn write<T>(&self, gpa: u64, value: T) {
        // SAFETY: checked by at(); the addresses are aligned.
        unsafe { self.at(gpa, size_of::<T>() as u64).cast::<T>().write_volatile(value) }
    }

    fn read<T>(&self, gpa: u64) -> T {
        // SAFETY: likewise.
        unsafe { self.at(gpa, size_of::<T>() as u64).cast::<T>().read_volatile() }
    }

    fn atomic(&self, gpa: u64) -> &AtomicU16 {
        // SAFETY: likewise.
        unsafe { AtomicU16::from_ptr(self.at(gpa, 2).cast()) }
    }

    fn fill(&self, gpa: u64, len: u64) {
        // SAFETY: likewise.
        unsafe { std::ptr::write_bytes(self.at(gpa, len), FILL, len as usize) }
    }

    fn bytes(&self, gpa: u64, len: u64) -> Vec<u8> {
        // SAFETY: likewise; the device has handed the buffer back.
        unsafe { std::slice::from_raw_parts(self.at(gpa, len), len as usize).to_vec() }
    }

    /// What the VMM sends in SET_VRING_ADDR: descriptors, used, avail.
    pub fn ring(&self) -> (u64, u64, u64) {
        (self.at(DESC, 1) as u64, self.at(USED, 1) as u64, self.at(AVAIL, 1) as u64)
    }

    /// The bits that are set, of all of the memory.
    pub fn bits(&self) -> HashSet<u64> {
        let bytes = self.bytes(self.gpa, self.size);
        (0..self.size * 8).filter(|n| bytes[*n as usize / 8] & 1 << (n % 8) != 0).collect()
    }

    pub fn used_gpa(&self) -> u64 {
        USED
    }

    pub fn used_idx(&self) -> u16 {
        self.atomic(USED + 2).load(Ordering::Acquire)
    }

    pub fn avail_idx(&self) -> u16 {
        self.atomic(AVAIL + 2).load(Ordering::Acquire)
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped in new().
        unsafe { libc::munmap(self.base.cast(), self.size as usize) };
    }
}

struct Request {
    memory: Arc<Memory>,
    segments: Vec<(u64, u32)>,
    descriptors: Vec<u16>,
}

pub struct Guest {
    pub ram: Arc<Memory>,
    pub size: u16,
    /// What it negotiates besides what all do: PACKED, IN_ORDER, or 0.
    pub form: u64,
    pub kick: EventFd,
    pub call: EventFd,
    pub event_idx: bool,
    /// Where the guest has a limit, a request may be completed short.
    pub limited: bool,
    pub bytes: u64,
    pub pages: HashSet<u64>,
    // Indices, or places in a packed ring.
    avail: u16,
    used: u16,
    free: VecDeque<u16>,
    order: VecDeque<u16>,
    pending: HashMap<u16, Request>,
    seen: HashSet<[u8; 16]>,
}

impl Guest {
    pub fn new(size: u16) -> Self {
        Self::with(0, size)
    }

    pub fn with(form: u64, size: u16) -> Self {
        let ram = Arc::new(Memory::new(0, RAM));
        let event = || EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC).unwrap();
        let first = if form & PACKED != 0 { WRAP } else { 0 };
        Guest {
            ram,
            size,
            form,
            kick: event(),
            call: event(),
            event_idx: false,
            limited: false,
            bytes: 0,
            pages: HashSet::new(),
            avail: first,
            used: first,
            free: (0..size).collect(),
            order: VecDeque::new(),
            pending: HashMap::new(),
            seen: HashSet::new(),
        }
    }

    /// The guest boots anew: its rings are empty.
    pub fn reset(&mut self) {
        assert!(self.pending.is_empty());
        self.avail = if self.is(PACKED) { WRAP } else { 0 };
        self.used = self.avail;
        self.free = (0..self.size).collect();
        for at in [AVAIL, AVAIL + 2, USED, USED + 2] {
            self.ram.write(at, 0u16);
        }
        for i in 0..u64::from(self.size) {
            self.ram.write(DESC + i * 16 + 14, 0u16);
        }
    }

    fn is(&self, form: u64) -> bool {
        self.form & form != 0
    }

    /// The index, or place, after so many requests, or descriptors.
    fn after(&self, at: u16, n: u16) -> u16 {
        if !self.is(PACKED) {
            return at.wrapping_add(n);
        }
        let i = (at & !WRAP) + n;
        if i < self.size { at + n } else { (i - self.size) | (!at & WRAP) }
    }

    /// The base of a ring that starts, as the VMM sends it.
    pub fn first_base(&self) -> u32 {
        if self.is(PACKED) { u32::from(WRAP) << 16 | u32::from(WRAP) } else { 0 }
    }

    /// Where, by the base of a ring that was stopped, the next one is completed.
    pub fn used_at(&self, base: u32) -> u16 {
        (if self.is(PACKED) { base >> 16 } else { base }).try_into().unwrap()
    }

    /// The pages of the ring that the device writes to, of at most 256 descriptors.
    pub fn ring_pages(&self) -> Vec<u64> {
        if self.is(PACKED) { vec![DESC >> 12, USED >> 12] } else { vec![USED >> 12] }
    }

    /// The words are flags and the next index or, in a packed ring, id and flags.
    fn descriptor(&self, table: u64, i: u16, seg: (u64, u32), words: [u16; 2]) {
        let at = table + u64::from(i) * 16;
        self.ram.write(at, seg.0);
        self.ram.write(at + 8, seg.1);
        self.ram.write(at + 12, words[0]);
        self.ram.atomic(at + 14).store(words[1], Ordering::Release);
    }

    fn put_split(&mut self, list: &[(u64, u32)], flags: u16, ids: &[u16]) {
        for (i, s) in list.iter().enumerate() {
            match ids.get(i + 1) {
                Some(next) => self.descriptor(DESC, ids[i], *s, [flags | NEXT, *next]),
                None => self.descriptor(DESC, ids[i], *s, [flags, 0]),
            }
        }
        self.ram.write(AVAIL + 4 + u64::from(self.avail % self.size) * 2, ids[0]);
        self.avail = self.after(self.avail, 1);
        self.ram.atomic(AVAIL + 2).store(self.avail, Ordering::Release);
    }

    /// The first descriptor is written last.  The last one has the id.
    fn put_packed(&mut self, list: &[(u64, u32)], flags: u16, id: u16) {
        for (i, s) in list.iter().enumerate().rev() {
            let at = self.after(self.avail, i as u16);
            let last = i == list.len() - 1;
            let flags = flags
                | if last { 0 } else { NEXT }
                | if at & WRAP != 0 { AVAIL_FLAG } else { USED_FLAG };
            self.descriptor(DESC, at & !WRAP, *s, [if last { id } else { !id }, flags]);
        }
        self.avail = self.after(self.avail, list.len() as u16);
    }

    /// With IN_ORDER descriptors are used in the order of the table.
    fn take_id(&mut self) -> u16 {
        let id = if self.is(IN_ORDER) { self.free.pop_front() } else { self.free.pop_back() };
        id.unwrap()
    }

    /// Makes a chain available, without a kick.  Segments are at least GUARD bytes
    /// apart.
    pub fn submit_in(&mut self, memory: &Arc<Memory>, segments: &[(u64, u32)], indirect: bool) {
        for s in segments {
            memory.fill(s.0, u64::from(s.1) + GUARD);
        }
        let n = if indirect { 1 } else { segments.len() };
        let ids: Vec<u16> = (0..n).map(|_| self.take_id()).collect();
        for (i, s) in segments.iter().enumerate().filter(|_| indirect) {
            let i = i as u16;
            let words = match (self.is(PACKED), i + 1 < segments.len() as u16) {
                (true, _) => [0, WRITE],
                (false, true) => [WRITE | NEXT, i + 1],
                (false, false) => [WRITE, 0],
            };
            self.descriptor(TABLES, i, *s, words);
        }
        let table = [(TABLES, segments.len() as u32 * 16)];
        let (list, flags) = if indirect { (&table[..], TABLE) } else { (segments, WRITE) };
        if self.is(PACKED) {
            self.put_packed(list, flags, ids[0]);
        } else {
            self.put_split(list, flags, &ids);
        }
        self.order.push_back(ids[0]);
        let request = Request {
            memory: memory.clone(),
            segments: segments.to_vec(),
            descriptors: ids.clone(),
        };
        self.pending.insert(ids[0], request);
    }

    /// A buffer for each of up to 64 requests of up to 64 KiB in the guest's memory.
    fn slot(n: usize) -> u64 {
        BUFFERS + (n as u64 % 256) * 0x1_0800
    }

    pub fn submit(&mut self, slot: usize, len: u32) {
        let ram = self.ram.clone();
        self.submit_in(&ram, &[(Self::slot(slot), len)], false);
    }

    pub fn notify(&self) {
        fence(Ordering::SeqCst);
        self.kick.write(1).unwrap();
    }

    fn flags(&self, at: u16) -> u16 {
        let flags = self.ram.atomic(DESC + u64::from(at & !WRAP) * 16 + 14);
        flags.load(Ordering::Acquire) & (AVAIL_FLAG | USED_FLAG)
    }

    /// Whether there is a request, next to be completed, or was.
    pub fn is_avail(&self, at: u16) -> bool {
        match (self.is(PACKED), at & WRAP) {
            (false, _) => self.ram.avail_idx() != at,
            (true, 0) => self.flags(at) == USED_FLAG,
            (true, _) => self.flags(at) == AVAIL_FLAG,
        }
    }

    /// Whether it was completed.
    pub fn is_used(&self, at: u16) -> bool {
        match (self.is(PACKED), at & WRAP) {
            (false, _) => self.ram.used_idx() != at,
            (true, 0) => self.flags(at) == 0,
            (true, _) => self.flags(at) == AVAIL_FLAG | USED_FLAG,
        }
    }

    pub fn some_completed(&self) -> bool {
        self.is_used(self.used)
    }

    fn take(&mut self) -> bool {
        if !self.is_used(self.used) {
            return false;
        }
        let (id, len): (u16, u32) = if self.is(PACKED) {
            let at = DESC + u64::from(self.used & !WRAP) * 16;
            (self.ram.read(at + 12), self.ram.read(at + 8))
        } else {
            let at = USED + 4 + u64::from(self.used % self.size) * 8;
            (self.ram.read(at), self.ram.read(at + 4))
        };
        let request = self.pending.remove(&id).expect("completed, but not pending");
        let first = self.order.pop_front();
        assert!(!self.is(IN_ORDER) || first == Some(id), "completed in another order");
        let n = if self.is(PACKED) { request.descriptors.len() } else { 1 };
        self.used = self.after(self.used, n as u16);
        self.check(&request, len);
        self.free.extend(request.descriptors);
        true
    }

    fn check(&mut self, request: &Request, len: u32) {
        let total: u32 = request.segments.iter().map(|s| s.1).sum();
        assert!(len == total || (self.limited && len > 0 && len < total), "{len} of {total}");
        let mut left = len;
        for &(gpa, size) in &request.segments {
            let len = size.min(left);
            left -= len;
            let bytes = request.memory.bytes(gpa, u64::from(size) + GUARD);
            let (data, guard) = bytes.split_at(len as usize);
            assert!(guard.iter().all(|b| *b == FILL), "written past a buffer's end");
            for block in data.chunks_exact(16) {
                assert!(self.seen.insert(block.try_into().unwrap()), "bytes came twice");
                assert!(block.iter().any(|b| *b != FILL), "bytes are missing");
            }
            self.pages.extend(gpa >> 12..(gpa + u64::from(len) + 0xfff) >> 12);
            self.bytes += u64::from(len);
        }
    }

    fn await_call(&self) {
        let mut poll =
            libc::pollfd { fd: self.call.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd.
        let n = unsafe { libc::poll(&mut poll, 1, PATIENCE.as_millis() as i32) };
        assert!(
            n == 1,
            "no interrupt: avail {}, used {}, seen {}",
            self.avail,
            self.ram.used_idx(),
            self.used
        );
        let _ = self.call.read();
    }

    /// Takes what was completed; returns how many requests are open.
    pub fn drain(&mut self) -> usize {
        while self.take() {}
        self.pending.len()
    }

    /// Waits for all that was made available, by interrupts.
    pub fn complete(&mut self) {
        while !self.pending.is_empty() {
            if self.event_idx && self.is(PACKED) {
                self.ram.write(AVAIL, u32::from(self.used) | 2 << 16);
                fence(Ordering::SeqCst);
            } else if self.event_idx {
                let at = AVAIL + 4 + u64::from(self.size) * 2;
                self.ram.atomic(at).store(self.used, Ordering::SeqCst);
                fence(Ordering::SeqCst);
            }
            if !self.take() {
                self.await_call();
            }
        }
    }

    /// A request of each size, one at a time, and then all in one batch.
    pub fn read_sizes(&mut self) {
        let sizes: Vec<u32> = (6..=16).map(|n| 1 << n).collect();
        for len in &sizes {
            self.submit(0, *len);
            self.notify();
            self.complete();
        }
        for (i, len) in sizes.iter().enumerate() {
            self.submit(i, *len);
        }
        self.notify();
        self.complete();
    }

    /// Chains of 1 to 8 buffers of uneven sizes, direct and indirect.
    pub fn read_chains(&mut self, indirect: bool) {
        let ram = self.ram.clone();
        for n in 1..=8u64 {
            let segments: Vec<(u64, u32)> =
                (0..n).map(|i| (Self::slot(i as usize), 16 * (1 + 37 * i as u32))).collect();
            self.submit_in(&ram, &segments, indirect && n > 1);
            self.notify();
            self.complete();
        }
    }

    /// Keeps `depth` requests under way until `ends` says so.
    pub fn load(&mut self, depth: usize, len: u32, ends: impl Fn() -> bool) {
        let begin = Instant::now();
        while !ends() {
            assert!(begin.elapsed() < PATIENCE * 5);
            for slot in 0..depth {
                self.submit(slot, len);
            }
            self.notify();
            self.complete();
        }
    }
}
