//! What a closed session has in place of its surface.

use openwrap_contracts::ports::Task;
use openwrap_contracts::session::{FrameReceiver, SessionInput, Surface, SurfaceView};
use openwrap_contracts::{ErrorCode, Fault, Outcome};
use tokio::sync::broadcast;

/// In place of the surface of a closed session.
pub struct Gone;

impl Surface for Gone {
    fn input(&self, _inputs: Vec<SessionInput>) -> Task<'_, Outcome<()>> {
        Box::pin(async { Err(closed()) })
    }

    fn view(&self) -> Task<'_, Outcome<SurfaceView>> {
        Box::pin(async { Err(closed()) })
    }

    fn frames(&self) -> FrameReceiver {
        broadcast::channel(1).1
    }

    fn since_taken(&self) -> Task<'_, String> {
        Box::pin(async { String::new() })
    }

    fn close(&self) -> Task<'_, ()> {
        Box::pin(async {})
    }
}

pub fn closed() -> Fault {
    Fault::new(ErrorCode::InvalidState, "this session is closed")
}
