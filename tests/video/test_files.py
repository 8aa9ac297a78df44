"""What a file is told of its video, and what a file can't make the program do."""

import os
import socket
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.field_pictures import field_clip
from support.video_clips import Clip, Tags, make_clip, picture
from support.video_facts import picture_times

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.files import holds_video, opened, probe, scan, without_second_fields

PLAYLISTS = {
    "concat": "ffconcat version 1.0\nfile '{other}'\n",
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{other}\n#EXT-X-ENDLIST\n",
    "hls_url": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{url}/a.ts\n#EXT-X-ENDLIST\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}</BaseURL></MPD>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video {port} RTP/AVP 96\n",
    "sami": "<SAMI><BODY><SYNC Start=0><P>{url}</BODY></SAMI>",
    "reference": "[Reference]\nRef1={url}/a.wmv\n",
}


@pytest.fixture
def listener() -> Iterator[tuple[int, list[tuple[socket.socket, object]]]]:
    """A port on loopback, and the connections that anyone made to it."""
    server = socket.create_server(("127.0.0.1", 0))
    seen: list[tuple[socket.socket, object]] = []

    def accept() -> None:
        while True:
            try:
                seen.append(server.accept())
            except OSError:
                return

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    yield server.getsockname()[1], seen
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join()
    for connection, _ in seen:
        connection.close()


@pytest.mark.parametrize("kind", PLAYLISTS)
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_a_playlist_by_any_name_opens_nothing(
    kind: str, suffix: str, tmp_path: Path, listener: tuple[int, list[object]]
) -> None:
    port, seen = listener
    other = make_clip(tmp_path / "other.ts", Clip(frames=3))  # whose picture would be found
    path = tmp_path / f"clip{suffix}"
    path.write_text(PLAYLISTS[kind].format(other=other.name, url=f"http://127.0.0.1:{port}", port=port))
    with pytest.raises(InputError, match=f"can't read .*clip{suffix}"):
        probe(path)
    assert not seen


@pytest.mark.parametrize(
    "name", ["http:x.mp4", "concat:a|b.mp4", "pipe:0.mp4", "a%03d.mp4", "näme ☃.mp4", "-.mp4"]
)
def test_a_name_is_only_a_name(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4", Clip(frames=3)).rename(tmp_path / name)
    assert probe(Path(name)).width == 48


def test_a_container_that_is_not_on_the_list_is_refused(tmp_path: Path) -> None:
    """FFmpeg would read it gladly, whatever it is called."""
    path = tmp_path / "clip.mp4"
    Image.fromarray(picture(0)).save(path, format="GIF")
    with av.open(str(path)) as container:
        assert container.format.name == "gif"
    with pytest.raises(InputError, match=r"can't read .*clip\.mp4"):
        probe(path)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "can't read"), (b"plain text, no video\n" * 50, "can't read"), (b"\0" * 4096, "can't read")],
)
def test_what_is_no_video_is_said(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        probe(path)


def test_folders_pipes_and_missing_files_are_said(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path, said in (
        (tmp_path, "a folder"),
        (tmp_path / "pipe.mp4", "a pipe"),
        (tmp_path / "no.mp4", "No such"),
    ):
        with pytest.raises(InputError, match=said):
            probe(path)


def test_a_file_with_sound_only_is_said(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=3, audio="aac"))
    with av.open(str(clip)) as source, av.open(str(tmp_path / "sound.mkv"), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    with pytest.raises(InputError, match="no video stream"):
        probe(tmp_path / "sound.mkv")


def test_pictures_over_the_limit_are_not_decoded(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", Clip(frames=3, width=96, height=64))
    assert probe(path, max_pixels=96 * 64).width == 96
    with pytest.raises(InputError, match="96×64 px, over the limit of 6143 pixels"):
        probe(path, max_pixels=96 * 64 - 1)


def test_what_a_header_says(tmp_path: Path) -> None:
    clip = Clip(
        frames=5,
        pixel_format="yuv420p10le",
        tags=Tags(9, 9, 16, 1),
        aspect=Fraction(4, 3),
        rotation=90,
        audio="aac",
    )
    info = probe(make_clip(tmp_path / "clip.mp4", clip))
    assert (info.width, info.height, info.bits, info.codec) == (48, 32, 10, "h264")
    assert (info.colour.tags.matrix, info.colour.tags.transfer) == (9, 16)
    assert info.colour.tags.is_hdr
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert info.matrix is not None
    assert info.matrix[:2] == (0, -65536)
    assert not info.is_interlaced


@pytest.mark.parametrize(
    ("name", "clip"),
    [
        ("constant.mp4", Clip()),
        ("variable.mp4", Clip(times=[0, 1000, 1500, 4000, 9000, 9001, 20000])),
        ("b_frames.mkv", Clip(frames=20, options={"bf": "3", "preset": "fast"})),
        ("late.mp4", Clip(times=[5000 + 1001 * n for n in range(12)])),
        ("transport.ts", Clip(frames=20, options={"bf": "2"}, audio="mp2")),
        ("old.mpg", Clip(codec="mpeg2video", time_base=Fraction(1, 24), options={"bf": "2"})),
    ],
)
def test_the_scan_knows_when_each_frame_shows(name: str, clip: Clip, tmp_path: Path) -> None:
    path = make_clip(tmp_path / name, clip)
    times = scan(path, probe(path).index).times
    assert [int(pts) * times.time_base for pts in times.pts] == picture_times(path)


def test_frames_without_timestamps_of_their_own_are_counted(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.avi", Clip(time_base=Fraction(1, 24), options={"bf": "2"}))
    info = probe(path)
    assert info.counted
    assert scan(path, info.index).times.pts.tolist() == list(range(12))


def test_the_scan_of_a_changed_file_differs(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", Clip(audio="aac"))
    before = scan(path, 0)
    assert scan(path, 0).sha256 == before.sha256
    changed = make_clip(tmp_path / "other.mkv", Clip(audio="aac", width=64))
    assert scan(changed, 0).sha256 != before.sha256
    assert before.copied_bytes > 0


def test_a_file_that_breaks_off_is_an_error_unless_what_is_there_is_wanted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    whole = make_clip(tmp_path / "clip.mov", Clip(frames=24, codec="mjpeg", pixel_format="yuvj420p"))
    data = whole.read_bytes()
    moov = data.index(b"moov") - 4
    # The index first, then as much of the pictures as a broken download has.
    start = data.index(b"mdat") + 4
    assert moov > start
    cut = tmp_path / "cut.mov"
    cut.write_bytes(data[: start + (moov - start) // 2] + b"\0" * 8)
    with pytest.raises(InputError):
        probe(cut)
    ts = make_clip(tmp_path / "clip.ts", Clip(frames=24))
    ts.write_bytes(ts.read_bytes()[:-1880])
    assert len(scan(ts, 0, complete=False).times.pts) <= 24


def test_an_index_that_promises_more_than_there_is(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", Clip(frames=24, codec="mjpeg", pixel_format="yuvj420p"))
    mov = tmp_path / "fast.mp4"
    with av.open(str(path)) as source, av.open(str(mov), "w", options={"movflags": "+faststart"}) as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    mov.write_bytes(mov.read_bytes()[: -mov.stat().st_size // 2])
    with pytest.raises(InputError, match="pass `bad_frames=repeat` to use what is there"):
        scan(mov, 0)
    found = scan(mov, 0, complete=False)
    assert 0 < len(found.times.pts) < 24


def test_opening_closes_again(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", Clip(frames=3))
    with opened(path) as container:
        assert len(container.streams.video) == 1


@pytest.mark.parametrize("name", ["clip.ts", "clip.mkv", "clip.mp4"])
@pytest.mark.parametrize("own_packets", [True, False])
def test_two_fields_are_one_frame(name: str, own_packets: bool, tmp_path: Path) -> None:
    path = field_clip(tmp_path / name, own_packets=own_packets)
    info = probe(path)
    assert info.is_interlaced
    times = scan(path, info.index, fields=True).times
    assert [time * times.time_base for time in times.pts.tolist()] == [Fraction(n, 25) for n in range(6)]
    assert times.rate == 25


def test_a_packet_that_gave_no_frame_is_a_field_only_where_it_can_be() -> None:
    def kept(pts: list[int | None], decoded: set[int]) -> list[int | None]:
        return [time for time, _ in without_second_fields([(time, 1) for time in pts], decoded)]

    assert kept([0, 2, 4, 6, 8, 10], {0, 4, 8}) == [0, 4, 8]
    assert kept([0, None, 4, None], {0, 4}) == [0, 4]
    assert kept([8, 10, 4, 0], {0, 4, 8}) == [8, 4, 0]  # coding order, and no fields but one
    assert kept([0, 4, 8, 12], {0, 4, 12}) == [0, 4, 8, 12]  # a whole frame lost
    assert kept([0, 2, 4, 6, 8, 10, 12, 14], {0, 8, 12}) == [0, 4, 6, 8, 12]  # one in fields lost
    assert kept([0, None, None, None, 8, 12], {0, 8, 12}) == [0, None, None, 8, 12]


def test_frames_without_a_time_are_told_with_the_file(tmp_path: Path) -> None:
    """Times before 0, which Matroska's clusters can't begin with, and which FFmpeg writes all the same."""
    path = tmp_path / "a.mkv"
    with (
        av.open(str(make_clip(tmp_path / "plain.mp4"))) as old,
        av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as new,
    ):
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                early = 24000  # a second
                packet.pts, packet.dts = (packet.pts or 0) - early, (packet.dts or 0) - early
                packet.stream = stream
                new.mux(packet)
    with pytest.raises(InputError, match=f"can't read {path}: it has frames without a timestamp"):
        scan(path, 0)


def test_a_file_holds_a_video_by_its_content(tmp_path: Path) -> None:
    assert holds_video(make_clip(tmp_path / "a.mkv", Clip(frames=2)).rename(tmp_path / "a"))
    with av.open(str(tmp_path / "b.mp4"), "w") as container:  # sound alone
        stream = container.add_stream("aac", rate=48000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert not holds_video(tmp_path / "b.mp4")
    (tmp_path / "c").write_text(PLAYLISTS["concat"].format(other=tmp_path / "a"))
    assert not holds_video(tmp_path / "c")
