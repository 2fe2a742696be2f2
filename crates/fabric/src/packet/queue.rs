//! The queue of what happens next: a monotone radix queue on integer picoseconds.
//!
//! A digit of a time is 8 bits. An event is kept at the highest digit in which its time differs
//! from now, in the bucket of that digit; when now reaches a bucket, its events move to lower
//! digits. An event a few microseconds ahead moves three times at most (Ahuja, Mehlhorn, Orlin and
//! Tarjan 1990, with base 256). Events of equal time leave in the order they came in: they always
//! share a bucket, and moving a bucket keeps its order.

/// Bits of a digit.
const BITS: u32 = 8;
/// Buckets of a digit.
const BUCKETS: usize = 1 << BITS;
/// Digits of a time.
const DIGITS: u32 = u64::BITS.div_ceil(BITS);

/// Something that happens at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Event<T> {
    /// When, in picoseconds.
    pub time: u64,
    /// What.
    pub what: T,
}

/// The events whose times differ from now first in one digit.
#[derive(Debug)]
struct Digit<T> {
    /// A bit for each bucket that holds events.
    filled: [u64; BUCKETS / 64],
    buckets: Vec<Vec<Event<T>>>,
    /// Emptied buckets, whose memory is used again.
    spare: Vec<Vec<Event<T>>>,
}

impl<T> Digit<T> {
    fn new() -> Self {
        Self {
            filled: [0; BUCKETS / 64],
            buckets: (0..BUCKETS).map(|_| Vec::new()).collect(),
            spare: Vec::new(),
        }
    }

    fn put(&mut self, bucket: usize, event: Event<T>) {
        let (word, bit) = (bucket / 64, 1 << (bucket % 64));
        if self.filled[word] & bit == 0 {
            self.filled[word] |= bit;
            if let Some(empty) = self.spare.pop() {
                self.buckets[bucket] = empty;
            }
        }
        self.buckets[bucket].push(event);
    }

    /// The lowest bucket that holds events; none below `from` does.
    fn lowest(&self, from: usize) -> Option<usize> {
        let words = from / 64..BUCKETS / 64;
        let word = words.into_iter().find(|word| self.filled[*word] != 0)?;
        Some(word * 64 + self.filled[word].trailing_zeros() as usize)
    }

    fn take(&mut self, bucket: usize) -> Vec<Event<T>> {
        self.filled[bucket / 64] &= !(1 << (bucket % 64));
        std::mem::take(&mut self.buckets[bucket])
    }
}

/// The bucket of a time at a digit.
const fn bucket_of(time: u64, digit: u32) -> usize {
    (time >> (digit * BITS)) as usize % BUCKETS
}

/// Events to come, earliest first.
#[derive(Debug)]
pub(super) struct Queue<T> {
    now: u64,
    digits: Vec<Digit<T>>,
    /// Events of this very picosecond, and how many of them are gone.
    current: Vec<Event<T>>,
    gone: usize,
}

impl<T: Copy> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            now: 0,
            digits: (0..DIGITS).map(|_| Digit::new()).collect(),
            current: Vec::new(),
            gone: 0,
        }
    }

    /// Adds an event; never earlier than the last that was taken.
    pub(super) fn push(&mut self, time: u64, what: T) {
        debug_assert!(time >= self.now, "time runs forward");
        let digit = ((time ^ self.now) | 1).ilog2() / BITS;
        self.digits[digit as usize].put(bucket_of(time, digit), Event { time, what });
    }

    /// Takes the earliest event.
    pub(super) fn pop(&mut self) -> Option<Event<T>> {
        while self.gone == self.current.len() {
            self.refill()?;
        }
        self.gone += 1;
        Some(self.current[self.gone - 1])
    }

    /// Brings the lowest bucket down, the lowest digit's to where events are taken from.
    fn refill(&mut self) -> Option<()> {
        let lowest = |digit: u32| {
            let from = bucket_of(self.now, digit);
            let bucket = self.digits[digit as usize].lowest(from)?;
            Some((digit, bucket))
        };
        let (digit, bucket) = (0..DIGITS).find_map(lowest)?;
        let mut events = self.digits[digit as usize].take(bucket);
        if digit == 0 {
            self.now = self.now - self.now % BUCKETS as u64 + bucket as u64;
            std::mem::swap(&mut self.current, &mut events);
            self.gone = 0;
        } else {
            let below = digit * BITS;
            let above = self.now.checked_shr(below + BITS).unwrap_or(0);
            let above = above.checked_shl(below + BITS).unwrap_or(0);
            self.now = above | (bucket as u64) << below;
            for event in &events {
                self.push(event.time, event.what);
            }
        }
        events.clear();
        self.digits[digit as usize].spare.push(events);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::Queue;

    #[test]
    fn equal_times_leave_in_the_order_they_came() {
        let mut queue = Queue::new();
        queue.push(1 << 40, 0);
        queue.push(7, 1);
        assert_eq!(queue.pop().unwrap().what, 1);
        queue.push(1 << 40, 2);
        queue.push(u64::MAX, 3);
        queue.push(7, 4);
        let order: Vec<i32> = std::iter::from_fn(|| queue.pop())
            .map(|it| it.what)
            .collect();
        assert_eq!(order, [4, 0, 2, 3]);
    }

    proptest! {
        /// Against a sorted list, with events added while others are taken.
        #[test]
        fn earliest_first(steps in proptest::collection::vec((0_u32..40, 1_u64..1024), 1..200)) {
            let mut queue = Queue::new();
            let mut list: Vec<(u64, usize)> = Vec::new();
            let mut now = 0;
            for (number, (shift, scale)) in steps.into_iter().enumerate() {
                let time = now + (scale << shift >> 10);
                queue.push(time, number);
                list.push((time, number));
                if number % 3 == 2 {
                    list.sort_unstable();
                    let first = list.remove(0);
                    let event = queue.pop().unwrap();
                    prop_assert_eq!((event.time, event.what), first);
                    now = first.0;
                }
            }
            list.sort_unstable();
            for first in list {
                let event = queue.pop().unwrap();
                prop_assert_eq!((event.time, event.what), first);
            }
            prop_assert!(queue.pop().is_none());
        }
    }
}
