//! What happens, event by event.
//!
//! A packet makes one event for each link of its path: the first is its turn at its sender's port,
//! each other its arrival at the link. The last link's event knows when the packet arrives. An
//! acknowledgement is an event only where it changes something: where the window could hold the
//! message up, and always with finite buffers or congestion control.

use chokepoint_units::Bytes;

use super::control::Control;
use super::message::Message;
use super::order::Order;
use super::path::{Packet, Packets, choice};
use super::port::Port;
use super::queue::Queue;
use super::wire::{Fate, Wire, picoseconds, seconds};
use super::{Carried, Options, PacketError, PacketResult};
use crate::network::Network;
use crate::schedule::Schedule;

/// Largest packet, header included.
const LARGEST: u32 = 1 << 24;

/// What happens.
#[derive(Debug, Clone, Copy)]
enum What {
    /// A message starts.
    Start(u32),
    /// A port takes the packet of the message whose turn it is.
    Serve(u32),
    /// A packet comes to the next link of its path.
    Arrive(u32),
    /// A sender hears that a packet arrived.
    Acknowledge { message: u32, marked: bool },
    /// A sender hears that a packet was trimmed.
    Lost { message: u32, last: bool },
}

/// Counts of what happened.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    delivered: u64,
    packets: u64,
    hops: u64,
    trims: u64,
    marks: u64,
    events: u64,
}

/// A network with messages on their way.
pub(super) struct Engine<'a, N: ?Sized> {
    network: &'a N,
    options: &'a Options,
    /// Time to start a message.
    start: u64,
    wires: Vec<Wire>,
    ports: Vec<Port>,
    messages: Vec<Message>,
    /// Congestion state by message; none without congestion control.
    control: Vec<Control>,
    /// When the last packet so far of each message arrives.
    finish: Vec<u64>,
    order: Order,
    packets: Packets,
    queue: Queue<What>,
    tally: Tally,
    /// A path that is being computed.
    path: Vec<u32>,
}

impl<'a, N: Network + ?Sized> Engine<'a, N> {
    pub(super) fn new(
        network: &'a N,
        schedule: &Schedule,
        options: &'a Options,
    ) -> Result<Self, PacketError> {
        check(options)?;
        let links = network.links().iter().zip(0..);
        let wires = links
            .map(|(link, number)| Wire::new(number, link, options.buffer, options.mark))
            .collect::<Result<Vec<_>, _>>()?;
        let transfers = schedule.transfers().iter().zip(0..);
        let messages = transfers
            .map(|(transfer, number)| Message::new(number, transfer, options))
            .collect::<Result<Vec<_>, _>>()?;
        let mut engine = Self {
            network,
            options,
            start: picoseconds(schedule.start).ok_or(PacketError::Start)?,
            ports: vec![Port::new(); wires.len()],
            wires,
            control: Vec::new(),
            finish: vec![0; messages.len()],
            messages,
            order: Order::new(schedule),
            packets: Packets::default(),
            queue: Queue::new(),
            tally: Tally::default(),
            path: Vec::new(),
        };
        for message in 0..engine.messages.len() as u32 {
            engine.measure(message);
        }
        if options.mark.is_some() {
            let windows = engine.messages.iter().map(|it| Control::new(it.window));
            engine.control = windows.collect();
        }
        Ok(engine)
    }

    /// Sets a message's window and the time of its acknowledgements from its first path.
    fn measure(&mut self, number: u32) {
        self.find_path(number);
        let (full, header) = (self.full(), self.options.header_bytes);
        let (mut there, mut back, mut slowest) = (0, 0, 1);
        for link in &self.path {
            let wire = &self.wires[*link as usize];
            there += wire.latency + wire.time(full);
            back += wire.latency + wire.time(header);
            slowest = slowest.max(wire.time(full));
        }
        let window = match self.options.window {
            Some(window) => (window.get() / f64::from(full)) as u32,
            None => u32::try_from((there + back).div_ceil(slowest)).unwrap_or(u32::MAX),
        };
        let message = &mut self.messages[number as usize];
        (message.back, message.window) = (back, window.max(1));
    }

    const fn full(&self) -> u32 {
        self.options.payload_bytes + self.options.header_bytes
    }

    /// Computes the path of a message's next packet.
    fn find_path(&mut self, number: u32) {
        let message = &self.messages[number as usize];
        let chosen = choice(
            self.options.balance,
            self.options.seed,
            number,
            message.sent,
        );
        self.path.clear();
        self.network
            .route(message.from, message.to, chosen, &mut self.path);
    }

    /// Runs until nothing more happens.
    pub(super) fn run(mut self) -> PacketResult {
        for message in self.order.roots() {
            self.queue.push(self.start, What::Start(message));
        }
        while let Some(event) = self.queue.pop() {
            self.tally.events += 1;
            match event.what {
                What::Start(message) => self.begin(message, event.time),
                What::Serve(port) => self.serve(port, event.time),
                What::Arrive(packet) => self.forward(packet, event.time),
                What::Acknowledge { message, marked } => {
                    self.acknowledge(message, marked, event.time);
                }
                What::Lost { message, last } => self.lose(message, last, event.time),
            }
        }
        self.result()
    }

    fn begin(&mut self, number: u32, now: u64) {
        self.find_path(number);
        if self.path.is_empty() {
            let message = &mut self.messages[number as usize];
            self.tally.delivered += message.size(self.options.payload_bytes);
            message.missing = 0;
            self.finish[number as usize] = now;
            self.complete(number);
        } else {
            self.issue(number, now);
        }
    }

    /// Gives a message's next packet to its port, if the window has room; an idle port takes it.
    fn issue(&mut self, number: u32, now: u64) {
        if !self.messages[number as usize].ready() {
            return;
        }
        self.find_path(number);
        let message = &mut self.messages[number as usize];
        let (payload, last) = message.next(self.options.payload_bytes);
        let packet = Packet {
            message: number,
            bytes: payload + self.options.header_bytes,
            hops: self.path.len() as u16,
            hop: 0,
            marked: false,
            last,
        };
        message.packet = self.packets.add(packet, &self.path);
        let link = self.path[0];
        let port = &mut self.ports[link as usize];
        port.join(&mut self.messages, number);
        if !port.armed {
            if port.until <= now {
                self.serve(link, now);
            } else {
                port.armed = true;
                self.queue.push(port.until, What::Serve(link));
            }
        }
    }

    /// A port takes the next packet, and will take another when this one has left.
    fn serve(&mut self, link: u32, now: u64) {
        let port = &mut self.ports[link as usize];
        let Some(number) = port.leave(&self.messages) else {
            return;
        };
        // Until this packet is queued, nothing else may serve the port.
        port.armed = true;
        let message = &mut self.messages[number as usize];
        let packet = std::mem::replace(&mut message.packet, u32::MAX);
        self.forward(packet, now);
        self.issue(number, now);
        let port = &mut self.ports[link as usize];
        port.until = self.wires[link as usize].free;
        port.armed = !port.is_empty();
        if port.armed {
            self.queue.push(port.until, What::Serve(link));
        }
    }

    /// A packet comes to a link.
    fn forward(&mut self, number: u32, now: u64) {
        let packet = self.packets.get(number);
        let (bytes, hop, hops) = (packet.bytes, packet.hop, packet.hops);
        packet.hop += 1;
        let link = self.packets.link(number, hop);
        match self.wires[link as usize].take(now, bytes, hop == 0) {
            Fate::Sent { arrival, marked } => {
                self.tally.hops += 1;
                if marked {
                    self.packets.get(number).marked = true;
                }
                if hop + 1 == hops {
                    self.deliver(number, arrival);
                } else {
                    self.queue.push(arrival, What::Arrive(number));
                }
            }
            Fate::Trimmed => self.trim(number, hop, now),
        }
    }

    /// A packet will arrive at a time.
    fn deliver(&mut self, number: u32, arrival: u64) {
        let packet = *self.packets.get(number);
        self.packets.remove(number);
        self.tally.packets += 1;
        self.tally.delivered += u64::from(packet.bytes - self.options.header_bytes);
        self.tally.marks += u64::from(packet.marked);
        let at = packet.message as usize;
        let message = &mut self.messages[at];
        message.missing -= 1;
        self.finish[at] = self.finish[at].max(arrival);
        if message.missing == 0 {
            self.complete(packet.message);
        } else if message.held() || self.options.buffer.is_some() || self.options.mark.is_some() {
            let what = What::Acknowledge {
                message: packet.message,
                marked: packet.marked,
            };
            self.queue.push(arrival + message.back, what);
        }
    }

    /// Lets start what waited for a message.
    fn complete(&mut self, number: u32) {
        let (queue, start) = (&mut self.queue, self.start);
        let time = self.finish[number as usize];
        self.order.arrive(number, time, |next, since| {
            queue.push(since + start, What::Start(next));
        });
    }

    /// A packet's header goes on without its payload, past all queues.
    fn trim(&mut self, number: u32, hop: u16, now: u64) {
        let packet = *self.packets.get(number);
        self.tally.trims += 1;
        let mut time = now + self.messages[packet.message as usize].back;
        for link in self.packets.ahead(number, hop, packet.hops) {
            let wire = &self.wires[*link as usize];
            time += wire.latency + wire.time(self.options.header_bytes);
        }
        self.packets.remove(number);
        let what = What::Lost {
            message: packet.message,
            last: packet.last,
        };
        self.queue.push(time, what);
    }

    fn acknowledge(&mut self, number: u32, marked: bool, now: u64) {
        let message = &mut self.messages[number as usize];
        message.flight -= 1;
        if let Some(control) = self.control.get_mut(number as usize) {
            message.window = control.acknowledge(marked);
        }
        self.issue(number, now);
    }

    fn lose(&mut self, number: u32, last: bool, now: u64) {
        let message = &mut self.messages[number as usize];
        message.flight -= 1;
        message.lose(last);
        if let Some(control) = self.control.get_mut(number as usize) {
            message.window = control.trim();
        }
        self.issue(number, now);
    }

    fn result(self) -> PacketResult {
        let makespan = self.finish.iter().copied().max().unwrap_or(0);
        let links = self.wires.iter().map(|wire| Carried {
            bytes: Bytes::new(wire.bytes as f64),
            busy: wire.busy(),
            longest_queue: wire.longest_queue(),
        });
        PacketResult {
            finish: self.finish.iter().map(|it| seconds(*it)).collect(),
            makespan: seconds(makespan),
            delivered: Bytes::new(self.tally.delivered as f64),
            packets: self.tally.packets,
            hops: self.tally.hops,
            trims: self.tally.trims,
            marks: self.tally.marks,
            events: self.tally.events,
            links: links.collect(),
        }
    }
}

/// Whether packets, window, buffer and threshold hold something.
fn check(options: &Options) -> Result<(), PacketError> {
    let full = options.payload_bytes.saturating_add(options.header_bytes);
    if options.payload_bytes == 0 || full > LARGEST {
        return Err(PacketError::Packet);
    }
    let holds = |bytes: Option<Bytes>| bytes.is_none_or(|it| it.get() >= f64::from(full));
    if !holds(options.window) {
        return Err(PacketError::Window);
    }
    if !holds(options.buffer) {
        return Err(PacketError::Buffer);
    }
    if options.mark.is_some_and(|it| !(it.get() >= 0.0)) {
        return Err(PacketError::Mark);
    }
    Ok(())
}
