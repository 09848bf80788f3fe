//! Messages of protocol buffers, as far as event files need them: written field by field
//! (<https://protobuf.dev/programming-guides/encoding>).

/// A message that is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    bytes: Vec<u8>,
}

/// How a field's value is laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Counted = 2,
    Fixed32 = 5,
}

impl Message {
    /// What is written so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds a whole number; 0 is what readers take where there is none, and takes no room.
    #[must_use]
    pub fn int(mut self, field: u32, value: u64) -> Self {
        if value == 0 {
            return self;
        }
        self.key(field, Wire::Varint);
        self.varint(value);
        self
    }

    /// Adds a number of 32 bits.
    #[must_use]
    pub fn float(mut self, field: u32, value: f32) -> Self {
        self.key(field, Wire::Fixed32);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Adds a number of 64 bits.
    #[must_use]
    pub fn double(mut self, field: u32, value: f64) -> Self {
        self.key(field, Wire::Fixed64);
        self.bytes.extend(value.to_le_bytes());
        self
    }

    /// Adds many numbers of 64 bits as one packed field.
    #[must_use]
    pub fn doubles(self, field: u32, values: &[f64]) -> Self {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        self.bytes(field, &bytes)
    }

    /// Adds bytes or text.
    #[must_use]
    pub fn bytes(mut self, field: u32, value: &[u8]) -> Self {
        self.key(field, Wire::Counted);
        self.varint(value.len() as u64);
        self.bytes.extend(value);
        self
    }

    /// Adds a message.
    #[must_use]
    pub fn message(self, field: u32, value: &Self) -> Self {
        self.bytes(field, &value.bytes)
    }

    fn key(&mut self, field: u32, wire: Wire) {
        self.varint(u64::from(field << 3 | wire as u32));
    }

    /// Seven bits a byte, the lowest first; all but the last have their highest bit set.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the description of the encoding, and one of each kind.
    #[test]
    fn fields_are_laid_out_as_described() {
        let new = Message::default;
        for (message, expected) in [
            (new().int(1, 150), &[0x08, 0x96, 0x01][..]),
            (new().int(1, 0), b""),
            (new().bytes(2, b"testing"), b"\x12\x07testing"),
            (new().message(3, &new().int(1, 150)), &[0x1a, 0x03, 0x08, 0x96, 0x01]),
            (new().int(16, u64::MAX), b"\x80\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            (new().float(2, 1.0), &[0x15, 0, 0, 0x80, 0x3f]),
            (new().double(1, -2.0), &[0x09, 0, 0, 0, 0, 0, 0, 0, 0xc0]),
            (new().doubles(6, &[0.0]), &[0x32, 8, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(message.as_bytes(), expected);
        }
    }
}
