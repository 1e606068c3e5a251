"""Where moto sends requests for DRS."""

from drs_simulator.backend.responses import DRSResponse

url_bases = [r"https?://drs\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/.*$": DRSResponse.dispatch}
