"""The same with unittest: `python -m unittest test_image_client_unittest`."""

from __future__ import annotations

import os
import unittest
from unittest import mock

from flow import InsufficientCreditsError
from image_client import ImageClient

import mockhub


class ImageClientTest(unittest.TestCase):
    """All tests share one server; each begins with the initial state."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.hub = cls.enterClassContext(mockhub.running(credits=8))

    def setUp(self) -> None:
        self.hub.reset()
        environment = {"IMAGES_URL": self.hub.base_url, "IMAGES_KEY": self.hub.key}
        self.enterContext(mock.patch.dict(os.environ, environment))
        self.client = self.enterContext(ImageClient(sleep=self.hub.clock.advance))

    def test_generates(self) -> None:
        self.assertEqual(len(self.client.generate("A lighthouse at dusk")), 1)
        self.assertEqual(self.client.credits(), 0)

    def test_stops_without_credits(self) -> None:
        with self.assertRaises(InsufficientCreditsError):
            self.client.generate("A lighthouse at dusk", n=2)
        self.hub.assert_spent(0)


if __name__ == "__main__":
    unittest.main()
