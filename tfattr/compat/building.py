"""One thread at a time makes Keras models: some of its switches are those of the whole process."""

from __future__ import annotations

import threading

building = threading.RLock()
