//! The wire, from outside: properties, refusals, pinned bytes, and the README's examples.

#[cfg(test)]
mod any;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod events;
#[cfg(test)]
mod file;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod numbers;
#[cfg(test)]
mod readme;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod ticks;
