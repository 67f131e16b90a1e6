//! Couriers: friends who take envelopes along to those whom their sender does not meet.
//!
//! A whole Put is good from anyone who brings it, and a receipt as well. So what waits for a device that is away, and lies at
//! no relay, is given to friends who are here and in a shared room with it: they put it there when they meet the device, and
//! bring its receipt back. The sender owns the envelope all the while, and shows `queued` until the receipt has come.
//!
//! Who carries learns that two members of a room of theirs have something for each other, and how much: no more than a
//! relay does, but of people whom they know. Nothing is carried between people who share no room with the courier.

mod book;
mod give;
mod keep;
mod load;
mod note;
mod places;
mod rounds;

pub(crate) use book::Couriers;

#[cfg(test)]
mod tests;
