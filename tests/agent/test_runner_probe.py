"""The built-in probe, against cameras on loopback: MJPEG over HTTP, RTSP, and video files."""

import json
import os
import socket

import pytest

from moorage_agent import pictures, probe_ffmpeg
from moorage_agent.probe import ProbeRunner, one_picture
from moorage_agent.runner_base import LARGEST_SNAPSHOT, Pauses, RunnerError, Unusable
from support.streams import (
    Heard,
    alive,
    children,
    command_lines,
    state,
    until,
    until_status,
    zombies,
)
from support.video import (
    TINY_JPEG,
    Login,
    MjpegCamera,
    RtspCamera,
    clip,
    close_cameras,
    jpeg,
    needs_ffmpeg,
    unused_port,
)

PASSWORD = "p@ss:wörd/%41'?#1"
QUOTED = "p%40ss%3Aw%C3%B6rd%2F%2541%27%3F%231"
LOOKS = {"every_s": 0.2}


@pytest.fixture(autouse=True)
def _cameras():
    yield
    close_cameras()


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def runner(heard):
    made = ProbeRunner(heard, pauses=Pauses(0.05, 0.2))
    yield made
    made.close()
    assert not zombies()


@pytest.fixture
def without_ffmpeg(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    needs_ffmpeg()
    return clip(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.fixture
def camera(request):
    made = MjpegCamera(**getattr(request, "param", {}))
    yield made
    made.close()


def measured(runner, *names):
    """Wait until these figures are there; return the state."""
    told = lambda: state(runner)  # noqa: E731
    return until(lambda: all(told()[name] is not None for name in names) and told(), told)


# --- MJPEG over HTTP


@pytest.mark.parametrize(
    "camera",
    [
        {"rate": 20},
        {"rate": 20, "lengths": False},
        {"rate": 20, "boundary": "--myboundary"},
        {"rate": 20, "lengths": False, "boundary": "--myboundary"},
    ],
    indirect=True,
)
def test_mjpeg_over_http_needs_nothing_beside_python(runner, camera, without_ffmpeg):
    runner.start("cam", {"source": camera.url()})
    told = measured(runner, "camera_fps")
    assert told["status"] == "running"
    # The camera is this very machine under load; that it is a rate of frames and not of bytes or
    # looks is what can be claimed.
    assert 5 < told["camera_fps"] < 40
    assert told["sharpness"] is None
    assert told["inference_fps"] is None
    assert runner.snapshot("cam") == TINY_JPEG


def test_a_picture_out_of_focus_is_less_sharp(runner, tmp_path):
    figures = []
    for number, blur in enumerate((0, 2, 8)):
        camera = MjpegCamera(jpeg(tmp_path / f"{number}.jpg", blur=blur))
        runner.start("cam", {"source": camera.url(), "probe": LOOKS})
        figures.append(measured(runner, "sharpness")["sharpness"])
        camera.close()
    assert figures[0] > 2 * figures[1] > 4 * figures[2] > 0


@pytest.mark.parametrize("kind", ["Basic", "Digest"])
@pytest.mark.parametrize("form", ["address", "object"])
def test_a_camera_gets_user_and_password_and_nobody_else_does(runner, heard, kind, form):
    camera = MjpegCamera(login=Login(kind, "viewer", PASSWORD))
    source = (
        camera.url(userinfo=f"viewer:{QUOTED}@")
        if form == "address"
        else {"url": camera.url(), "username": "viewer", "password": PASSWORD}
    )
    runner.start("cam", {"source": source})
    told = until_status(runner, "running")
    camera.close()
    until_status(runner, "reconnecting")
    said = heard.text() + json.dumps(told) + json.dumps(runner.states())
    assert PASSWORD not in said
    assert QUOTED not in said


@pytest.mark.parametrize("kind", ["Basic", "Digest"])
@pytest.mark.parametrize("userinfo", ["", "viewer:wrong-one@"])
def test_a_camera_that_refuses_says_so(runner, heard, kind, userinfo):
    camera = MjpegCamera(login=Login(kind, "viewer", PASSWORD))
    runner.start("cam", {"source": camera.url(userinfo=userinfo)})
    told = until_status(runner, "error")
    assert "401" in told["error"]
    assert ("refuses" if userinfo else "wants") in told["error"]
    assert "wrong-one" not in heard.text() + told["error"]
    until(lambda: camera.accepted >= 4)
    camera.close()


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: "
MULTI = HEAD + b"multipart/x-mixed-replace; boundary=b\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://a:b@c/\r\nContent-Length: 0\r\n\r\n", "redirect"),
        (HEAD + b"text/html\r\n\r\n<html>", "text/html"),
        (HEAD + b"image/jpeg\r\n\r\n" + TINY_JPEG, "one picture"),
        (HEAD + b"multipart/x-mixed-replace\r\n\r\n", "not with MJPEG"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "HTTP"),
        (b"", "closed"),
        (MULTI, "closed"),
        (MULTI + b"x" * 20_000, "no part"),
        (MULTI + b"--b\r\nContent-Length: 99999999\r\n\r\n", "8 MiB"),
        (MULTI + b"--b\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", "8 MiB"),
        (MULTI + b"--b\r\n\r\n" + b"x" * (8 * 2**20 + 100_000), "8 MiB"),
    ],
)
def test_an_answer_that_is_no_mjpeg_is_named(runner, answer, says):
    camera = MjpegCamera(answer=answer)
    runner.start("cam", {"source": camera.url()})
    told = until(lambda: state(runner)["error"] and state(runner))
    assert says in told["error"]
    assert "a:b" not in told["error"]
    until(lambda: camera.accepted >= 3)
    camera.close()


def test_a_camera_that_cannot_be_reached_says_so_and_is_tried_until_it_can(runner, heard):
    port = unused_port()
    runner.start("cam", {"source": f"http://viewer:hidden-word@127.0.0.1:{port}/v?key=hidden-too"})
    told = until_status(runner, "reconnecting")
    assert f"127.0.0.1:{port} refuses connections" in told["error"]
    assert "hidden" not in heard.text() + json.dumps(told)
    with pytest.raises(RunnerError, match="refuses connections"):
        runner.snapshot("cam")
    runner.stop("cam")
    assert until_status(runner, "stopped")["error"] is None


def test_a_name_that_nobody_knows_is_named(runner):
    runner.start("cam", {"source": "http://no-such-camera.invalid/video"})
    assert "no-such-camera.invalid" in until_status(runner, "reconnecting")["error"]
    runner.stop("cam")
    until_status(runner, "stopped")


def test_a_camera_that_says_nothing_does_not_hold_up_its_end(runner):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        runner.start("cam", {"source": f"http://127.0.0.1:{silent.getsockname()[1]}/"})
        connection, _ = silent.accept()
        connection.recv(100)
        runner.stop("cam")
        until_status(runner, "stopped")
        connection.close()


def test_a_broken_connection_is_made_anew(runner, camera):
    runner.start("cam", {"source": camera.url()})
    until_status(runner, "running")
    camera.hang_up()
    until(lambda: camera.accepted >= 2)
    until_status(runner, "running")


def test_pause_lets_go_of_the_camera_and_resume_takes_it_again(runner, camera):
    runner.start("cam", {"source": camera.url()})
    measured(runner, "camera_fps")
    assert runner.pause("cam")["status"] == "paused"
    told = state(runner)
    assert (told["status"], told["camera_fps"]) == ("paused", None)
    until(lambda: not camera._open)
    with pytest.raises(RunnerError, match="paused"):
        runner.snapshot("cam")
    runner.resume("cam")
    until_status(runner, "running")
    assert camera.accepted == 2


def test_a_trigger_tells_what_the_latest_look_saw(runner, camera):
    runner.start("cam", {"source": camera.url(), "probe": LOOKS})
    until_status(runner, "running")
    until(lambda: runner.trigger("cam")["looked_at"])
    assert set(runner.trigger("cam")) == {"looked_at", "camera_fps", "sharpness"}


def test_a_picture_that_is_too_large_is_made_smaller_or_refused(runner, tmp_path, monkeypatch):
    picture = jpeg(tmp_path / "large.jpg", size="3840x2160")
    # Whatever follows the end of a JPEG is part of the part.
    picture = picture[:-2] + b"\xff\xfe\xff\xf0" + b"x" * 65518 + b"\xff\xd9"
    while len(picture) <= LARGEST_SNAPSHOT:
        picture = picture[:2] + b"\xff\xfe\xff\xf0" + b"x" * 65518 + picture[2:]
    camera = MjpegCamera(picture, rate=5)
    runner.start("cam", {"source": camera.url()})
    until_status(runner, "running")
    made = runner.snapshot("cam")
    assert len(made) <= LARGEST_SNAPSHOT
    assert made[:2] == b"\xff\xd8"
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RunnerError, match="install ffmpeg"):
        runner.snapshot("cam")
    camera.close()


# --- ffmpeg


def test_a_video_file_is_looked_at_at_its_own_pace_over_and_over(runner, tmp_path):
    path = clip(tmp_path / "-i 'odd name'.mp4", seconds=1)
    runner.start("cam", {"source": str(path), "probe": LOOKS})
    told = measured(runner, "camera_fps", "sharpness")
    assert told["status"] == "running"
    assert 12 < told["camera_fps"] < 38
    assert told["sharpness"] > 100
    picture = runner.snapshot("cam")
    assert picture[:3] == b"\xff\xd8\xff"


@pytest.mark.parametrize("kind", [None, "Basic", "Digest"])
def test_rtsp_brings_real_rates_and_no_password_is_to_be_seen(runner, heard, video, kind):
    camera = RtspCamera(video, login=Login(kind, "viewer", PASSWORD))
    runner.start("cam", {"source": camera.url(userinfo=f"viewer:{QUOTED}@"), "probe": LOOKS})
    told = measured(runner, "camera_fps", "sharpness")
    assert 12 < told["camera_fps"] < 38
    assert told["sharpness"] > 100
    assert runner.snapshot("cam")[:3] == b"\xff\xd8\xff"
    shown = "\n".join(command_lines())
    assert "concat" in shown, "ffmpeg is there to be seen"
    camera.close()
    until(lambda: state(runner)["error"])
    for text in (shown, heard.text(), json.dumps(told), json.dumps(runner.states())):
        for secret in (PASSWORD, QUOTED, "viewer:"):
            assert secret not in text


@pytest.mark.parametrize(
    ("path", "userinfo", "says"),
    [("/other", f"viewer:{QUOTED}@", "404"), ("/live", "viewer:wrong-one@", "refuses the user")],
)
def test_what_an_rtsp_camera_refuses_is_said(runner, heard, video, path, userinfo, says):
    camera = RtspCamera(video, login=Login("Digest", "viewer", PASSWORD))
    runner.start("cam", {"source": camera.url(path, userinfo=userinfo)})
    told = until_status(runner, "error")
    assert says in told["error"]
    assert "wrong-one" not in heard.text() + told["error"]
    camera.close()


def test_an_rtsp_camera_that_is_not_there_is_tried_until_it_is_stopped(runner, heard):
    needs_ffmpeg()
    port = unused_port()
    runner.start("cam", {"source": f"rtsp://viewer:hidden-word@127.0.0.1:{port}/live?k=hidden-too"})
    told = until_status(runner, "reconnecting")
    assert f"127.0.0.1:{port} refuses connections" in told["error"]
    runner.stop("cam")
    until_status(runner, "stopped")
    assert "hidden" not in heard.text() + json.dumps(told)


def test_an_rtsp_stream_that_falls_silent_is_connected_anew(runner, video, monkeypatch):
    monkeypatch.setattr(probe_ffmpeg, "_SILENCE_S", 4.0)
    camera = RtspCamera(video)
    runner.start("cam", {"source": camera.url()})
    until_status(runner, "running")
    camera.sending = False
    assert "sends no picture" in until_status(runner, "reconnecting")["error"]
    camera.sending = True
    until_status(runner, "running")
    camera.close()


def test_stop_ends_ffmpeg_whatever_it_does(runner, video):
    camera = RtspCamera(video)
    before = set(children(os.getpid()))
    runner.start("cam", {"source": camera.url()})
    until_status(runner, "running")
    [eye] = set(children(os.getpid())) - before
    runner.stop("cam")
    until_status(runner, "stopped")
    assert not alive(eye)
    until(lambda: not camera._open)
    camera.close()


@pytest.mark.parametrize("version", ["4.2.7-0ubuntu0.1", "5.0.1"])
def test_an_ffmpeg_that_knows_no_options_in_lists_is_asked_without(
    runner, video, tmp_path, monkeypatch, version
):
    real = needs_ffmpeg()
    (tmp_path / "ffmpeg").write_text(
        f"""#!/bin/sh
        [ "$*" = -version ] && {{ echo ffmpeg version {version}; exit; }}
        case "$*" in *fps_mode*) [ {version} != 5.0.1 ] && exit 9;; esac
        cat > {tmp_path}/list
        if grep -q ^option {tmp_path}/list; then
            echo "Line 3: unknown keyword 'option'" >&2
            exit 1
        fi
        exec {real} "$@" < {tmp_path}/list
        """
    )
    (tmp_path / "ffmpeg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    camera = RtspCamera(video)
    runner.start("cam", {"source": camera.url(), "probe": LOOKS})
    measured(runner, "camera_fps", "sharpness")
    camera.close()


def test_what_is_no_video_is_said(runner, tmp_path):
    needs_ffmpeg()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    runner.start("cam", {"source": str(tmp_path / "text.mp4")})
    assert "no video" in until_status(runner, "error")["error"]


def test_a_file_that_is_not_there_is_waited_for(runner, tmp_path, video):
    runner.start("cam", {"source": str(tmp_path / "later.mp4")})
    assert "there is no file" in until_status(runner, "error")["error"]
    (tmp_path / "later.mp4").symlink_to(video)
    until_status(runner, "running")


def test_without_ffmpeg_it_says_what_to_install(runner, without_ffmpeg):
    runner.start("cam", {"source": "rtsp://127.0.0.1/live"})
    assert "ffmpeg is not installed" in until_status(runner, "error")["error"]


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({}, "names no source"),
        ({"source": ""}, "names no source"),
        ({"source": 7}, "names no source"),
        ({"source": {"kind": "basler", "serial": "22"}}, "names no source"),
        ({"source": "ftp://host/file"}, "rtsp://"),
        ({"source": "http:///path"}, "rtsp://"),
        ({"source": "http://host:port/"}, "host or port"),
        ({"source": "rtsp://host/\n'x"}, "characters"),
        ({"source": "/v.mp4", "probe": []}, "probe is an object"),
        ({"source": "/v.mp4", "probe": {"every_s": 0}}, "every_s"),
        ({"source": "/v.mp4", "probe": {"every_s": True}}, "every_s"),
        ({"source": "/v.mp4", "probe": {"every_s": "5"}}, "every_s"),
        ({"source": "/v.mp4", "probe": {"decode": "some"}}, "decode"),
        ({"source": "/v.mp4", "probe": {"transport": "sctp"}}, "transport"),
        ({"source": "/v.mp4", "probe": {"tls_verify": "no"}}, "tls_verify"),
    ],
)
def test_a_config_that_is_none_is_refused_with_what_is_right(runner, spec, says):
    runner.start("cam", spec)
    told = state(runner)
    assert told["status"] == "error"
    assert says in told["error"]
    runner.stop("cam")
    assert state(runner)["status"] == "stopped"


# --- one picture, for other runners


def test_one_picture_can_be_had_of_any_source(camera, video):
    assert one_picture({"source": camera.url()}) == TINY_JPEG
    assert one_picture({"source": str(video)})[:3] == b"\xff\xd8\xff"
    rtsp = RtspCamera(video, login=Login("Digest", "viewer", PASSWORD))
    found = one_picture({"source": rtsp.url(userinfo=f"viewer:{QUOTED}@")})
    rtsp.close()
    assert found[:3] == b"\xff\xd8\xff"
    with pytest.raises(RunnerError, match="refuses connections"):
        one_picture({"source": f"http://127.0.0.1:{unused_port()}/"})
    with pytest.raises(Unusable, match="source"):
        one_picture({})


def test_a_camera_that_never_sends_a_picture_does_not_hold_one_up():
    camera = MjpegCamera()
    camera.sending = False
    with pytest.raises(RunnerError):
        one_picture({"source": camera.url()}, within_s=0.3)
    camera.close()


# --- figures


def test_sharpness_is_the_variance_of_the_laplacian():
    # A single white pixel on black, 5 x 5: the inner 3 x 3 has -1020 once, 255 four times.
    grey = bytearray(25)
    grey[12] = 255
    found = [-1020, 255, 255, 255, 255, 0, 0, 0, 0]
    mean = sum(found) / 9
    expected = sum((one - mean) ** 2 for one in found) / 9
    assert pictures.sharpness(bytes(grey), 5, 5) == pytest.approx(expected, abs=0.01)
    assert pictures.sharpness(bytes([7]) * 25, 5, 5) == 0


def test_a_rate_is_of_the_last_ten_seconds_and_ends_with_the_frames():
    rate = pictures.Rate()
    assert rate.value(0) is None
    rate.add(500, 0.0)  # what had gathered
    for tick in range(1, 300):
        rate.add(1, tick / 10)
    assert rate.value(29.9) == pytest.approx(10, rel=0.02)
    for tick in range(1, 300):
        rate.add(1, 29.9 + tick / 30)
    assert rate.value(39.9) == pytest.approx(30, rel=0.02)
    assert rate.value(60) is None


def test_parts_come_out_whole_however_they_are_cut():
    whole = b"junk\r\n"
    for number in range(3):
        length = b"Content-Length: %d\r\n" % len(TINY_JPEG) if number else b""
        whole += b"--x\r\nContent-Type: image/jpeg\r\n" + length + b"\r\n" + TINY_JPEG + b"\r\n"
    whole += b"--x\r\n"
    for size in (1, 2, 3, 7, 64, 10_000):
        parts = pictures.Parts("x")
        found = [
            picture
            for at in range(0, len(whole), size)
            for picture in parts.feed(whole[at : at + size])
        ]
        assert found == [TINY_JPEG] * 3


def test_the_version_of_ffmpeg_is_read_from_what_it_says(tmp_path):
    for number, (word, version) in enumerate(
        [
            ("5.1.9-0+deb12u1", (5, 1)),
            ("4.2.7-0ubuntu0.1", (4, 2)),
            ("n6.0", (6, 0)),
            ("7.1", (7, 1)),
            ("N-12345-gabcdef", (99, 0)),
            ("", (99, 0)),
        ]
    ):
        program = tmp_path / f"ffmpeg{number}"
        program.write_text(f"#!/bin/sh\necho ffmpeg version {word} Copyright\n")
        program.chmod(0o755)
        assert probe_ffmpeg.ffmpeg_version(str(program)) == version
