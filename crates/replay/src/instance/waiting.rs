//! The queue of an instance: first come, first served within each priority class.

use std::collections::VecDeque;

/// Requests that wait, by class.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    classes: Vec<VecDeque<u32>>,
    count: usize,
}

impl Waiting {
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    fn class(&mut self, class: u8) -> &mut VecDeque<u32> {
        let class = usize::from(class);
        if self.classes.len() <= class {
            self.classes.resize_with(class + 1, VecDeque::new);
        }
        &mut self.classes[class]
    }

    pub(crate) fn push_back(&mut self, class: u8, place: u32) {
        self.count += 1;
        self.class(class).push_back(place);
    }

    pub(crate) fn push_front(&mut self, class: u8, place: u32) {
        self.count += 1;
        self.class(class).push_front(place);
    }

    /// The next of the most urgent class.
    pub(crate) fn head(&self) -> Option<u32> {
        self.classes.iter().find_map(VecDeque::front).copied()
    }

    /// Removes the head.
    pub(crate) fn pop(&mut self) -> Option<u32> {
        let head = self.classes.iter_mut().find_map(VecDeque::pop_front);
        self.count -= usize::from(head.is_some());
        head
    }
}
