"""A headless Chromium in which tests open pages.

It is controlled by the DevTools protocol through a pair of pipes (`chromium --remote-debugging-pipe`), in
JSON messages that end in a zero byte. That needs no driver, WebSocket or package.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')

# All text of a page, including that of custom elements and of frames of the same origin.
_TEXT = """
(function text(node) {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent;
  if (['SCRIPT', 'STYLE', 'TEMPLATE'].includes(node.nodeName)) return '';
  let parts = [...(node.shadowRoot ? node.shadowRoot.childNodes : []), ...node.childNodes].map(text);
  if (node.nodeName === 'IFRAME' && node.contentDocument) parts.push(text(node.contentDocument));
  return parts.join(' ');
})(document)
"""


def _pipe() -> tuple[int, int]:
    """Returns the reading and the writing end of a pipe, neither of them 3 or 4."""
    low = os.pipe()
    read, write = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in low)
    for end in low:
        os.close(end)
    return read, write


def find_chromium() -> str | None:
    """Returns the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One page of a headless Chromium.

    Args:
      program: path of Chromium.
      width: of the page in pixels.
      height: of the page in pixels.
    """

    def __init__(self, program: str, width: int = 1200, height: int = 800) -> None:
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        from_us, self._to = _pipe()
        self._from, to_us = _pipe()
        command = [
            *(program, '--headless', '--no-sandbox', '--no-first-run'),
            *('--disable-gpu', '--disable-dev-shm-usage'),
            # The projector draws with WebGL, which a machine without a GPU has to do in software.
            *('--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--hide-scrollbars'),
            *('--remote-debugging-pipe', f'--user-data-dir={self._profile.name}'),
            *(f'--window-size={width},{height}', 'about:blank'),
        ]
        # It reads from file descriptor 3 and writes to 4.
        script = 'exec 3<&"$0" 4>&"$1"; shift; exec "$@"'
        self._process = subprocess.Popen(
            ['bash', '-c', script, str(from_us), str(to_us), *command],
            pass_fds=(from_us, to_us),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        self._buffer = b''
        self._number = 0
        self._session = ''
        target = self._page_target()
        self._session = self._call('Target.attachToTarget', targetId=target, flatten=True)['sessionId']

    def open(self, url: str) -> None:
        """Opens a page; its scripts may still be running when this returns."""
        self._call('Page.navigate', url='about:blank')  # otherwise another fragment would keep the old page
        self._call('Page.navigate', url=url)

    def run(self, script: str) -> Any:
        """Returns the value of a JavaScript expression."""
        answer = self._call('Runtime.evaluate', expression=script, returnByValue=True, awaitPromise=True)
        return answer['result'].get('value')

    def text(self) -> str:
        """Returns all text on the page."""
        return ' '.join((self.run(_TEXT) or '').split())

    def wait_for(self, *words: str, seconds: float = 300) -> str:
        """Waits until the page shows all the words, and returns its text.

        Raises:
          AssertionError: if it does not; the message has the missing words and the text.
        """
        end = time.monotonic() + seconds
        while True:
            text = self.text()
            missing = [word for word in words if word not in text]
            if not missing:
                return text
            assert time.monotonic() < end, f'{missing} is not in: {text[:3000]}'
            time.sleep(0.2)

    def screenshot(self, path: Path) -> None:
        """Writes the visible part of the page as a PNG."""
        path.write_bytes(base64.b64decode(self._call('Page.captureScreenshot')['data']))

    def prefer(self, scheme: str) -> None:
        """Sets the preferred colour scheme, 'light' or 'dark'."""
        feature = {'name': 'prefers-color-scheme', 'value': scheme}
        self._call('Emulation.setEmulatedMedia', features=[feature])

    def resize(self, width: int, height: int) -> None:
        """Changes the size of the page, in pixels."""
        size = {'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False}
        self._call('Emulation.setDeviceMetricsOverride', **size)

    def __enter__(self) -> 'Browser':
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._to)  # ends Chromium
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._from)
        self._profile.cleanup()

    def _page_target(self) -> str:
        while True:
            for target in self._call('Target.getTargets')['targetInfos']:
                if target['type'] == 'page':
                    return str(target['targetId'])
            time.sleep(0.1)

    def _call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {'id': self._number, 'method': method, 'params': parameters}
        if self._session:
            message['sessionId'] = self._session
        os.write(self._to, json.dumps(message).encode() + b'\0')
        while True:
            answer = self._receive()
            if answer.get('id') == self._number:
                assert 'error' not in answer, answer
                return answer['result']

    def _receive(self) -> Any:
        while b'\0' not in self._buffer:
            data = os.read(self._from, 1 << 20)
            assert data, 'Chromium has ended'
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b'\0')
        return json.loads(message)
