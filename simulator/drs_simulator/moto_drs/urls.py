"""Where moto sends requests for DRS."""

from drs_simulator.moto_drs.responses import DRSResponse

url_bases = [r"https?://drs\.(.+)\.amazonaws\.com"]
url_paths = {"{0}/.*$": DRSResponse.dispatch}
