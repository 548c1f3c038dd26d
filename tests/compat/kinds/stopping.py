"""Kind 3, stopping: in a child process, by shutdown, by signals, and by the names that socketserver gives its flags."""

import contextlib
import threading

from tests.compat.kinds.bodies import answering
from tests.compat.table import Kind

kind = Kind(3, "stopping")

# What every script begins with: a handler, and a client that says what it was given.
PREAMBLE = """
import contextlib, multiprocessing, os, signal, socketserver, sys, threading, time, urllib.request
from MODULE import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.path.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if self.path == "/stop":
            self.stop()

    def stop(self):
        threading.Thread(target=self.server.shutdown, daemon=True).start()

    def log_message(self, *args):
        pass

def get(server, path):
    url = "http://127.0.0.1:%d%s" % (server.server_address[1], path)
    return urllib.request.urlopen(url, timeout=5).read().decode()

def wait_for(pid):
    for _ in range(500):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(pid, 9)
    return "did not end"
"""

# A server that was made before the fork, and is stopped in the child by its own shutdown().
FORKED = """
server = SERVER(("127.0.0.1", 0), Handler)
pid = os.fork()
if not pid:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    print(get(server, "/of the child".replace(" ", "-")))
    server.shutdown()
    thread.join(5)
    print("stopped", not thread.is_alive())
    server.server_close()
    os._exit(0)
print("child", wait_for(pid))
"""

for server in ("HTTPServer", "ThreadingHTTPServer"):

    @kind.case(
        gives=["/of-the-child", "stopped True", "child 0"],
        name=f"{server}_made_before_a_fork_stops_in_the_child",
        needs=("fork",),
    )
    def forked(http, run, server=server):
        return run.script(PREAMBLE + FORKED.replace("SERVER", server))


@kind.case(gives=["/a", "/stop", "child 7"], needs=("fork",))
def a_forked_child_is_stopped_by_its_handler(http, run):
    return run.script(
        PREAMBLE
        + """
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
pid = os.fork()
if not pid:
    server.serve_forever(0.05)
    os._exit(7)
print(get(server, "/a"))
print(get(server, "/stop"))
print("child", wait_for(pid))
"""
    )


@kind.case(gives=["/a", "/b", "child 0", "/parent"], needs=("fork",))
def parent_and_child_serve_in_turn(http, run):
    return run.script(
        PREAMBLE
        + """
server = HTTPServer(("127.0.0.1", 0), Handler)
pid = os.fork()
if not pid:
    server.handle_request()
    server.handle_request()
    os._exit(0)
print(get(server, "/a"))
print(get(server, "/b"))
print("child", wait_for(pid))
threading.Thread(target=server.handle_request, daemon=True).start()
print(get(server, "/parent"))
"""
    )


# The target is a method of the server itself, and the child is terminated, or asked to stop.
PROCESS = """
multiprocessing.set_start_method("fork")
server = SERVER(("127.0.0.1", 0), Handler)
process = multiprocessing.Process(target=server.serve_forever, args=(0.05,), daemon=True)
process.start()
print(get(server, "/a"))
END
process.join(5)
print("exit code", process.exitcode)
server.server_close()
"""

for server in ("HTTPServer", "ThreadingHTTPServer"):

    @kind.case(gives=["/a", "exit code -15"], name=f"a_process_of_{server}_is_terminated", needs=("fork",))
    def terminated(http, run, server=server):
        return run.script(PREAMBLE + PROCESS.replace("SERVER", server).replace("END", "process.terminate()"))

    @kind.case(gives=["/a", "/stop", "exit code 0"], name=f"a_process_of_{server}_stops_itself", needs=("fork",))
    def stopped(http, run, server=server):
        return run.script(PREAMBLE + PROCESS.replace("SERVER", server).replace("END", "print(get(server, '/stop'))"))


@kind.case(gives=["/a", "/b", "/c", "children [-15, -15]"], needs=("fork",))
def children_that_share_a_listening_socket(http, run):
    return run.script(
        PREAMBLE
        + """
server = HTTPServer(("127.0.0.1", 0), Handler)
pids = []
for _ in range(2):
    pid = os.fork()
    if not pid:
        server.serve_forever(0.05)
    pids.append(pid)
for path in ("/a", "/b", "/c"):
    print(get(server, path))
for pid in pids:
    os.kill(pid, signal.SIGTERM)
print("children", [wait_for(pid) for pid in pids])
"""
    )


@kind.case(gives=["/a", "/b", "pids differ True", "stopped"], needs=("fork",))
def a_server_that_forks_for_each_connection(http, run):
    return run.script(
        PREAMBLE
        + """
class Forking(socketserver.ForkingMixIn, HTTPServer):
    pass

class Telling(Handler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("X-Pid", str(os.getpid()))
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(self.path.encode())

server = Forking(("127.0.0.1", 0), Telling)
thread = threading.Thread(target=server.serve_forever, args=(0.05,))
thread.start()
pids = {str(os.getpid())}
for path in ("/a", "/b"):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (server.server_port, path), timeout=5) as answer:
        print(answer.read().decode())
        pids.add(answer.headers["X-Pid"])
print("pids differ", len(pids) == 3)
server.shutdown()
thread.join(5)
server.server_close()
print("stopped")
"""
    )


@kind.case(gives=["/a", "returned", "terminated 0"], needs=("fork",))
def a_signal_handler_sets_the_flag_of_socketserver(http, run):
    return run.script(
        PREAMBLE
        + """
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
pid = os.fork()
if not pid:
    def stop(number, frame):
        server._BaseServer__shutdown_request = True
    signal.signal(signal.SIGTERM, stop)
    server.serve_forever(0.05)
    print("returned")
    os._exit(0)
print(get(server, "/a"))
os.kill(pid, signal.SIGTERM)
print("terminated", wait_for(pid))
"""
    )


@kind.case(gives=["/a", "interrupted", "closed"], needs=("fork",))
def control_c(http, run):
    return run.script(
        PREAMBLE
        + """
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
def press():
    print(get(server, "/a"))
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=press).start()
try:
    server.serve_forever()
except KeyboardInterrupt:
    print("interrupted")
server.server_close()
print("closed")
"""
    )


@kind.case(gives=["/a", "exiting", "ended with 3"])
def a_signal_handler_that_exits(http, run):
    return run.script(
        PREAMBLE
        + """
def leave(number, frame):
    print("exiting")
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
server = HTTPServer(("127.0.0.1", 0), Handler)
def kill():
    print(get(server, "/a"))
    os.kill(os.getpid(), signal.SIGTERM)
threading.Thread(target=kill).start()
with server:
    server.serve_forever()
"""
    )


# In this process


def ends_by_itself(server):
    server.serving.join(5)
    return not server.serving.is_alive()


for name in ("HTTPServer", "ThreadingHTTPServer"):

    @kind.case(gives=((200, b"bye"), True), name=f"a_handler_sets_the_flag_of_{name}")
    def flag(http, run, name=name):
        class Last(answering(http)):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                self.answer(b"bye")
                self.server._BaseServer__shutdown_request = True

        server = run.serve(Last, getattr(http, name))
        answer = run.connect(server).get()
        return answer, ends_by_itself(server)

    @kind.case(gives=((200, b"bye"), True), name=f"a_handler_has_a_thread_shut_down_{name}")
    def thread(http, run, name=name):
        class Last(answering(http)):
            protocol_version = "HTTP/1.0"

            def do_GET(self):
                self.answer(b"bye")
                threading.Thread(target=self.server.shutdown, daemon=True).start()

        server = run.serve(Last, getattr(http, name))
        answer = run.connect(server).get()
        return answer, ends_by_itself(server)


@kind.case(gives=(True, True))
def service_actions_sets_the_flag(http, run):
    class Impatient(http.HTTPServer):
        def service_actions(self):
            run.notes.append("acted")
            self._BaseServer__shutdown_request = True

    server = run.serve(answering(http), Impatient)
    return ends_by_itself(server), run.notes == ["acted"]


@kind.case(gives=[False, "Event", False, True, True])
def is_shut_down_is_an_event_of_threading(http, run):
    server = http.ThreadingHTTPServer(("127.0.0.1", 0), answering(http))
    done = server._BaseServer__is_shut_down
    seen = [done.is_set(), type(done).__name__]
    run.serve(None, server)
    run.connect(server).get()
    seen.append(server._BaseServer__is_shut_down.is_set())
    server.shutdown()
    seen.append(server._BaseServer__is_shut_down.wait(5))
    seen.append(server._BaseServer__is_shut_down.is_set())
    return seen


@kind.case(gives=[False, False, True])
def the_flag_of_socketserver_can_be_read(http, run):
    class Reading(answering(http)):
        def do_GET(self):
            run.notes.append(self.server._BaseServer__shutdown_request)
            super().do_GET()

    class Recording(http.HTTPServer):
        def shutdown(self):
            self._BaseServer__shutdown_request = True
            run.notes.append(self._BaseServer__shutdown_request)
            super().shutdown()

    server = http.HTTPServer(("127.0.0.1", 0), Reading)
    run.notes.append(server._BaseServer__shutdown_request)
    server.server_close()
    server = run.serve(Reading, Recording)
    client = run.connect(server)
    client.get()
    client.leave()
    server.shutdown()
    return run.notes.wait_for(3)


@kind.case(gives=[(200, b"/first"), (200, b"/second")])
def a_server_serves_again_after_its_shutdown(http, run):
    server = run.serve(answering(http))
    first = run.connect(server).get("/first")
    server.shutdown()
    again = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    again.start()
    second = run.connect(server).get("/second")
    server.serving = again
    return [first, second]


@kind.case(gives=([b"/1", b"/2", b"/3"], True))
def a_loop_of_handle_request_that_a_handler_ends(http, run):
    class Counting(answering(http)):
        protocol_version = "HTTP/1.0"

        def do_GET(self):
            super().do_GET()
            self.server.left -= 1

    def loop():
        while server.left:
            server.handle_request()
        server.server_close()

    server = http.HTTPServer(("127.0.0.1", 0), Counting)
    server.left = 3
    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    bodies = [run.connect(server).get(f"/{number}").body for number in (1, 2, 3)]
    thread.join(5)
    return bodies, not thread.is_alive()


@kind.case(gives=["timed out", "returned"])
def handle_request_with_a_timeout(http, run):
    class Patient(http.HTTPServer):
        timeout = 0.05

        def handle_timeout(self):
            run.notes.append("timed out")

    with Patient(("127.0.0.1", 0), answering(http)) as server:
        server.handle_request()
    return [*run.notes, "returned"]


@kind.case(gives="OSError")
def a_closed_server_cannot_be_connected_to(http, run):
    server = run.serve(answering(http))
    run.connect(server).get()
    server.shutdown()
    server.server_close()
    try:
        run.connect(server)
    except OSError:
        return "OSError"


@kind.case(gives=["RuntimeError", True])
def an_error_in_service_actions_ends_serve_forever(http, run):
    class Failing(http.HTTPServer):
        def service_actions(self):
            raise RuntimeError("enough")

    server = Failing(("127.0.0.1", 0), answering(http))
    try:
        server.serve_forever(0.01)
    except RuntimeError as error:
        run.notes.append(type(error).__name__)
    run.notes.append(server._BaseServer__is_shut_down.is_set())
    server.server_close()
    return list(run.notes)


@kind.case(gives=["serving", (200, b"/"), "stopped"])
def a_context_that_runs_a_server_in_a_thread(http, run):
    @contextlib.contextmanager
    def running():
        with http.ThreadingHTTPServer(("127.0.0.1", 0), answering(http)) as server:
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
            thread.start()
            try:
                yield server
            finally:
                server.shutdown()
                thread.join(5)
                run.notes.append("stopped" if not thread.is_alive() else "runs on")

    with running() as server:
        run.notes.append("serving")
        client = run.connect(server)
        run.notes.append(client.get())
        client.leave()
    return list(run.notes)
