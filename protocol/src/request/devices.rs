//! Devices of the asker's own account: which there are, and shutting one out.

use crate::id::DeviceId;
use crate::limits::ROWS_MAX;
use crate::name::DeviceName;
use crate::wire::{List, wire_map};

wire_map! {
    /// The asker's own devices.
    pub struct ListDevices {
        required {}
        optional {}
    }
}

wire_map! {
    /// One device.
    pub struct DeviceInfo {
        required {
            /// The device.
            1 => device: DeviceId,
            /// What it is called.
            2 => name: DeviceName,
            /// When it was added, unix milliseconds.
            3 => created_ms: u64,
            /// When it last authenticated, unix milliseconds.
            4 => seen_ms: u64,
            /// Whether it has a connection.
            5 => online: bool,
        }
        optional {
            /// When it was revoked, unix milliseconds.
            6 => revoked_ms: u64,
        }
    }
}

wire_map! {
    /// Answers a [`ListDevices`].
    pub struct Devices {
        required {
            /// One row a device: those in use first, then what was revoked last.
            1 => devices: List<DeviceInfo, ROWS_MAX>,
        }
        optional {}
    }
}

wire_map! {
    /// Shuts a device of the asker's own account out: its connections close at once.
    pub struct RevokeDevice {
        required {
            /// Which.
            1 => device: DeviceId,
        }
        optional {}
    }
}
