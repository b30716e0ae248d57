"""Tests that speak to a served desk with a scripted engine."""

from service_builders import engine as engine
from service_builders import served as served
