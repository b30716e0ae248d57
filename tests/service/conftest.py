"""Tests that speak to a served desk with a scripted engine, or to the services of several people."""

from people import board as board
from people import person as person
from service_builders import engine as engine
from service_builders import served as served
