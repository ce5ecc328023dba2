"""The creative that the default campaign of a bundle ships with, so that a fresh server bids at once.

Its addresses are of example.com, which holds nothing: a campaign that is to be seen has creatives of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from bidpilot.serving.creatives.creative import VideoCreative
from bidpilot.serving.creatives.macros import EVENT

_VAST = f"""<VAST version="3.0"><Ad id="sample"><InLine><AdSystem>bidpilot</AdSystem><AdTitle>Sample</AdTitle>
<Impression><![CDATA[{EVENT}&e=view]]></Impression><Creatives><Creative><Linear><Duration>00:00:15</Duration>
<TrackingEvents><Tracking event="complete"><![CDATA[{EVENT}&e=complete]]></Tracking></TrackingEvents>
<VideoClicks><ClickThrough><![CDATA[https://www.example.com/]]></ClickThrough></VideoClicks><MediaFiles>
<MediaFile delivery="progressive" type="video/mp4" width="720" height="1280"><![CDATA[https://media.example.com/sample.mp4]]>
</MediaFile></MediaFiles></Linear></Creative></Creatives></InLine></Ad></VAST>"""

SAMPLE = VideoCreative(
    format="video",
    crid="sample",
    adomain=("example.com",),
    cat=("IAB1",),
    language="en",
    mimes=("video/mp4",),
    w=720,
    h=1280,
    duration=15,
    adm=_VAST.replace("\n", ""),
    approved_by="bidpilot",
    approved_at=datetime(1970, 1, 1, tzinfo=UTC),
)
