"""
Expired items are swept away, when asked or by a thread.
"""

from __future__ import annotations

import threading
from typing import Any

from store_conformance.mutants.reference.table import Table


class Sweeping(Table):
    """
    The sweeper of the documentation: started and stopped by the caller, and stopped by closing.
    """

    def close(self) -> None:
        self.stop_ttl_sweeper()
        with self.lock:
            self.connection.close()

    def sweep_ttl(self) -> Any:
        return self.sweep()

    def sweep(self) -> int:
        with self.transaction():
            now = self.clock()
            dead = [row for row in self.scan() if self.expired(row, now)]
            for row in dead:
                self.remove_vectors(row.address)
                self.remove_item(row.address)
        return len(dead)

    def sweep_seconds(self, minutes: float | None) -> float:
        configured = (self.ttl_config or {}).get("sweep_interval_minutes")
        return 60.0 * (minutes or configured or 5)

    def start_ttl_sweeper(self, sweep_interval_minutes: float | None = None) -> Any:
        seconds = self.sweep_seconds(sweep_interval_minutes)

        def run() -> None:
            while not self.sweeper_stop.wait(seconds):
                self.sweep()

        if self.sweeper is None or not self.sweeper.is_alive():
            self.sweeper_stop.clear()
            self.sweeper = threading.Thread(target=run, name="ttl-sweeper", daemon=True)
            self.sweeper.start()
        return self.sweeper

    def stop_ttl_sweeper(self, timeout: float | None = None) -> Any:
        if self.sweeper is None:
            return True
        self.sweeper_stop.set()
        self.sweeper.join(timeout)
        return not self.sweeper.is_alive()
