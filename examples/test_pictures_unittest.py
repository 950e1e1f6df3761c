"""Tests in the manner of unittest: `python -m unittest test_pictures_unittest`."""

from __future__ import annotations

import os
import unittest
from unittest import mock

from flow import OutOfCredits
from pictures import Pictures

import mockhub


class PicturesTest(unittest.TestCase):
    """One server for the class; each test begins again."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.hub = cls.enterClassContext(mockhub.running(credits=8))

    def setUp(self) -> None:
        self.hub.reset()
        where = {"PICTURES_URL": self.hub.base_url, "PICTURES_KEY": self.hub.key}
        self.enterContext(mock.patch.dict(os.environ, where))
        self.pictures = self.enterContext(Pictures(sleep=self.hub.clock.advance))

    def test_draws(self) -> None:
        """The credits of one picture buy one."""
        self.assertEqual(1, len(self.pictures.draw("A lighthouse at dusk")))
        self.assertEqual(0, self.pictures.credits())

    def test_stops_without_money(self) -> None:
        """Two pictures cost more than there is."""
        with self.assertRaises(OutOfCredits):
            self.pictures.draw("A lighthouse at dusk", n=2)
        self.hub.assert_spent(0)


if __name__ == "__main__":
    unittest.main()
