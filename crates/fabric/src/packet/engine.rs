//! What happens, event by event.
//!
//! A packet makes one event for each link of its path: the first is its turn at its sender's port,
//! each other its arrival at the link. The last link's event knows when the packet arrives. An
//! acknowledgement is an event only where it changes something: where the window could hold the
//! message up, and always with finite buffers or congestion control.

use chokepoint_units::Bytes;

use super::control::Control;
use super::message::{Cut, Receiver, Sender};
use super::order::Order;
use super::path::{Packet, choice};
use super::port::Port;
use super::queue::Queue;
use super::wire::{Fate, Wires, picoseconds, seconds};
use super::{Balance, Options, PacketError, PacketResult};
use crate::network::Network;
use crate::schedule::Schedule;

/// Random paths of a packet that are drawn to find one that starts at an idle port.
const DRAWS: u32 = 8;

/// Most ports of a chip that are counted.
const PORTS: u32 = 64;

/// What happens.
#[derive(Debug, Clone, Copy)]
enum What<const N: usize> {
    /// A message starts.
    Start(u32),
    /// A port takes the packet of the message whose turn it is.
    Serve(u32),
    /// A packet comes to the next link of its path.
    Arrive(Packet<N>),
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

/// A network with messages on their way, over paths of at most `N` links.
pub(super) struct Engine<'a, Net: ?Sized, const N: usize> {
    network: &'a Net,
    options: &'a Options,
    /// Time to start a message, in picoseconds.
    start: u64,
    /// Whether every packet is acknowledged.
    strict: bool,
    wires: Wires,
    ports: Vec<Port>,
    cuts: Vec<Cut>,
    senders: Vec<Sender<N>>,
    receivers: Vec<Receiver>,
    /// Time of each message's acknowledgements, in picoseconds.
    back: Vec<u64>,
    /// Congestion state by message; none without congestion control.
    control: Vec<Control>,
    order: Order,
    queue: Queue<What<N>>,
    tally: Tally,
    /// A path that is being computed.
    path: Vec<u32>,
}

impl<'a, Net: Network + ?Sized, const N: usize> Engine<'a, Net, N> {
    pub(super) fn new(
        network: &'a Net,
        schedule: &Schedule,
        options: &'a Options,
    ) -> Result<Self, PacketError> {
        let wires = Wires::new(network.links(), options)?;
        let transfers = schedule.transfers();
        let mut engine = Self {
            network,
            options,
            start: picoseconds(schedule.start).ok_or(PacketError::Start)?,
            strict: options.buffer.is_some() || options.mark.is_some(),
            wires,
            ports: vec![Port::new(); network.links().len()],
            cuts: Vec::with_capacity(transfers.len()),
            senders: Vec::with_capacity(transfers.len()),
            receivers: Vec::with_capacity(transfers.len()),
            back: Vec::with_capacity(transfers.len()),
            control: Vec::new(),
            order: Order::new(schedule),
            queue: Queue::new(),
            tally: Tally::default(),
            path: Vec::new(),
        };
        for (transfer, number) in transfers.iter().zip(0..) {
            let cut = Cut::new(number, transfer, options)?;
            engine.cuts.push(cut);
            engine.senders.push(Sender::new(transfer, cut.packets, 1));
            engine.measure(number, cut.packets)?;
        }
        if options.mark.is_some() {
            let windows = engine.senders.iter().map(|it| Control::new(it.window));
            engine.control = windows.collect();
        }
        Ok(engine)
    }

    /// Sets a message's window and the time of its acknowledgements from its first path.
    fn measure(&mut self, number: u32, packets: u32) -> Result<(), PacketError> {
        let ports = self.count_ports(number)?;
        self.find_path(number, 0)?;
        let window = match self.options.window {
            Some(window) => (window.get() / f64::from(self.options.packet())) as u32,
            None => u32::try_from(self.product(ports)).unwrap_or(u32::MAX),
        };
        let window = window.max(1);
        let header = self.options.header_bytes;
        let kinds = self.path.iter().map(|link| self.wires.kind(*link));
        self.back
            .push(kinds.map(|kind| kind.latency + kind.time(header)).sum());
        let sender = &mut self.senders[number as usize];
        sender.window = window;
        sender.ports = ports > 1 && self.options.balance == Balance::Random;
        self.receivers.push(Receiver {
            missing: packets,
            heard: self.strict || packets > window,
            finish: 0,
        });
        Ok(())
    }

    /// Bandwidth-delay product of the path that was computed last, in packets, with a number of
    /// ports at its start. Links in the middle are many where paths are many, so then only the
    /// first and the last bound its rate.
    fn product(&self, ports: u32) -> u64 {
        let (full, header) = (self.options.packet(), self.options.header_bytes);
        let (mut round_trip, mut slowest) = (0, 1);
        for (at, link) in self.path.iter().enumerate() {
            let kind = self.wires.kind(*link);
            round_trip += 2 * kind.latency + kind.time(full) + kind.time(header);
            let end = at == 0 || at + 1 == self.path.len();
            if end || self.options.balance == Balance::Message {
                slowest = slowest.max(kind.time(full));
            }
        }
        round_trip.div_ceil(slowest) * u64::from(ports)
    }

    /// Ports that a message's packets start at: successive choices, until the first comes again.
    fn count_ports(&mut self, number: u32) -> Result<u32, PacketError> {
        self.route(number, 0)?;
        let first = self.path.first().copied();
        if self.options.balance == Balance::Message {
            return Ok(1);
        }
        for choice in 1..PORTS {
            self.route(number, u64::from(choice))?;
            if self.path.first().copied() == first {
                return Ok(choice);
            }
        }
        Ok(PORTS)
    }

    /// Computes a path of a message's next packet.
    fn find_path(&mut self, number: u32, drawn: u32) -> Result<(), PacketError> {
        let sent = self.senders[number as usize].sent;
        let (balance, seed) = (self.options.balance, self.options.seed);
        self.route(number, choice(balance, seed, number, sent, drawn))
    }

    fn route(&mut self, number: u32, choice: u64) -> Result<(), PacketError> {
        let sender = &self.senders[number as usize];
        self.path.clear();
        self.network
            .route(sender.from, sender.to, choice, &mut self.path);
        if self.path.len() > N {
            return Err(PacketError::Path(number));
        }
        Ok(())
    }

    /// Computes the path of a message's next packet. One at random starts at an idle port, if it
    /// can be found: a chip sees its own.
    fn choose_path(&mut self, number: u32, now: u64) -> Result<(), PacketError> {
        self.find_path(number, 0)?;
        if self.senders[number as usize].ports {
            for drawn in 1..DRAWS {
                if self.ports[self.path[0] as usize].is_idle(now) {
                    break;
                }
                self.find_path(number, drawn)?;
            }
        }
        Ok(())
    }

    /// Runs until nothing more happens.
    pub(super) fn run(mut self) -> Result<PacketResult, PacketError> {
        for message in self.order.roots() {
            self.queue.push(self.start, What::Start(message));
        }
        while let Some(event) = self.queue.pop() {
            self.tally.events += 1;
            match event.what {
                What::Start(message) => self.begin(message, event.time)?,
                What::Serve(port) => self.serve(port, event.time)?,
                What::Arrive(packet) => self.forward(packet, event.time),
                What::Acknowledge { message, marked } => {
                    self.acknowledge(message, marked, event.time)?;
                }
                What::Lost { message, last } => self.lose(message, last, event.time)?,
            }
        }
        Ok(self.result())
    }

    fn begin(&mut self, number: u32, now: u64) -> Result<(), PacketError> {
        self.find_path(number, 0)?;
        if !self.path.is_empty() {
            return self.issue(number, now);
        }
        let cut = self.cuts[number as usize];
        self.tally.delivered += cut.size(self.options.payload_bytes);
        self.receivers[number as usize].missing = 0;
        self.receivers[number as usize].finish = now;
        self.complete(number);
        Ok(())
    }

    /// Gives a message's next packet to its port, if the window has room; an idle port takes it.
    fn issue(&mut self, number: u32, now: u64) -> Result<(), PacketError> {
        if !self.senders[number as usize].ready() {
            return Ok(());
        }
        self.choose_path(number, now)?;
        self.senders[number as usize].wait(&self.path);
        let link = self.path[0];
        let port = &mut self.ports[link as usize];
        port.join(&mut self.senders, number);
        if port.is_idle(now) {
            return self.serve(link, now);
        }
        if !port.armed {
            port.armed = true;
            self.queue.push(port.until, What::Serve(link));
        }
        Ok(())
    }

    /// A port takes the next packet, and will take another when this one has left.
    fn serve(&mut self, link: u32, now: u64) -> Result<(), PacketError> {
        let port = &mut self.ports[link as usize];
        let Some(number) = port.leave(&self.senders) else {
            return Ok(());
        };
        // The message may give this port its next packet, which must wait.
        port.armed = true;
        let packet = self.senders[number as usize].go(number);
        self.forward(packet, now);
        let until = self.wires.free(link);
        self.issue(number, now)?;
        let port = &mut self.ports[link as usize];
        port.until = until;
        port.armed = !port.is_empty();
        if port.armed {
            self.queue.push(until, What::Serve(link));
        }
        Ok(())
    }

    /// A packet comes to a link.
    fn forward(&mut self, mut packet: Packet<N>, now: u64) {
        let own = packet.hop == 0;
        match self
            .wires
            .take(packet.link(), now, self.bytes(&packet), own)
        {
            Fate::Sent { arrival, marked } => {
                self.tally.hops += 1;
                packet.marked |= marked;
                packet.hop += 1;
                if packet.hop == packet.hops {
                    self.deliver(&packet, arrival);
                } else {
                    self.queue.push(arrival, What::Arrive(packet));
                }
            }
            Fate::Trimmed => self.trim(&packet, now),
        }
    }

    /// Bytes of a packet, header included.
    fn bytes(&self, packet: &Packet<N>) -> u32 {
        if packet.last {
            self.cuts[packet.message as usize].last + self.options.header_bytes
        } else {
            self.options.packet()
        }
    }

    /// A packet will arrive at a time.
    fn deliver(&mut self, packet: &Packet<N>, arrival: u64) {
        self.tally.packets += 1;
        self.tally.delivered += u64::from(self.bytes(packet) - self.options.header_bytes);
        self.tally.marks += u64::from(packet.marked);
        let message = packet.message;
        let receiver = &mut self.receivers[message as usize];
        receiver.missing -= 1;
        receiver.finish = receiver.finish.max(arrival);
        if receiver.missing == 0 {
            self.complete(message);
        } else if receiver.heard && (self.strict || self.senders[message as usize].held()) {
            let marked = packet.marked;
            self.queue.push(
                arrival + self.back[message as usize],
                What::Acknowledge { message, marked },
            );
        }
    }

    /// Lets start what waited for a message.
    fn complete(&mut self, number: u32) {
        let (queue, start) = (&mut self.queue, self.start);
        let time = self.receivers[number as usize].finish;
        self.order.arrive(number, time, |next, since| {
            queue.push(since + start, What::Start(next));
        });
    }

    /// A packet's header goes on without its payload, past all queues.
    fn trim(&mut self, packet: &Packet<N>, now: u64) {
        self.tally.trims += 1;
        let mut time = now + self.back[packet.message as usize];
        for link in packet.ahead() {
            let kind = self.wires.kind(*link);
            time += kind.latency + kind.time(self.options.header_bytes);
        }
        let what = What::Lost {
            message: packet.message,
            last: packet.last,
        };
        self.queue.push(time, what);
    }

    fn acknowledge(&mut self, number: u32, marked: bool, now: u64) -> Result<(), PacketError> {
        let sender = &mut self.senders[number as usize];
        sender.flight -= 1;
        if let Some(control) = self.control.get_mut(number as usize) {
            sender.window = control.acknowledge(marked);
        }
        self.issue(number, now)
    }

    fn lose(&mut self, number: u32, last: bool, now: u64) -> Result<(), PacketError> {
        let sender = &mut self.senders[number as usize];
        sender.flight -= 1;
        sender.lose(last);
        if let Some(control) = self.control.get_mut(number as usize) {
            sender.window = control.acknowledge(true);
        }
        self.issue(number, now)
    }

    fn result(self) -> PacketResult {
        let times = self.receivers.iter().map(|it| it.finish);
        let makespan = times.clone().max().unwrap_or(0);
        PacketResult {
            finish: times.map(seconds).collect(),
            makespan: seconds(makespan),
            delivered: Bytes::new(self.tally.delivered as f64),
            packets: self.tally.packets,
            hops: self.tally.hops,
            trims: self.tally.trims,
            marks: self.tally.marks,
            events: self.tally.events,
            links: self.wires.carried(),
        }
    }
}
