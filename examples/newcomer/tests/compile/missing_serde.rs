//! An output that cannot be stored.

use sagaline::prelude::*;

struct Room {
    number: u32,
}

struct Hotel;

impl Step for Hotel {
    const NAME: &'static str = "hotel";
    type Saga = String;
    type Output = Room;

    async fn action(&self, _: &Call<String>) -> Outcome<Room> {
        Ok(Room { number: 4 })
    }
}

fn main() {}
