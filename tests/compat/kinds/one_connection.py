"""Kind 4, one call is one connection: what frames a connection frames all of it, in one thread."""

import concurrent.futures
import socketserver
import threading

from tests.compat.kinds.bodies import answering
from tests.compat.table import Kind

kind = Kind(4, "one-connection")

SERVED = ["begins", "/1", "/2", "/3", "ends"]


def three_requests(run, handler, server=None):
    """Three requests over one connection; what was noted once it is over."""
    running = run.serve(handler, server)
    client = run.connect(running)
    for number in (1, 2, 3):
        assert client.get(f"/{number}") == (200, f"/{number}".encode())
    client.leave()
    run.notes.wait_until(lambda: "ends" in run.notes)
    return list(run.notes)


def noting(http, run):
    class Noting(answering(http)):
        def do_GET(self):
            run.notes.append(self.path)
            super().do_GET()

    return Noting


# Frames of a connection


@kind.case(gives=SERVED)
def an_init_with_try_and_finally(http, run):
    class Framed(noting(http, run)):
        def __init__(self, *args, **kwargs):
            run.notes.append("begins")
            try:
                super().__init__(*args, **kwargs)
            finally:
                run.notes.append("ends")

    return three_requests(run, Framed)


@kind.case(gives=SERVED)
def a_handle_with_try_and_finally(http, run):
    class Framed(noting(http, run)):
        def handle(self):
            run.notes.append("begins")
            try:
                super().handle()
            finally:
                run.notes.append("ends")

    return three_requests(run, Framed)


@kind.case(gives=SERVED)
def setup_and_finish(http, run):
    class Framed(noting(http, run)):
        def setup(self):
            super().setup()
            run.notes.append("begins")

        def finish(self):
            super().finish()
            run.notes.append("ends")

    return three_requests(run, Framed)


@kind.case(gives=["/1", "/2", "/3", "ends"])
def finish_alone(http, run):
    class Framed(noting(http, run)):
        def finish(self):
            run.notes.append("ends")
            super().finish()

    return three_requests(run, Framed)


def framed_server(http, run, method):
    def frame(self, request, client_address):
        run.notes.append("begins")
        try:
            getattr(super(Framed, self), method)(request, client_address)
        finally:
            run.notes.append("ends")

    class Framed(http.ThreadingHTTPServer):
        pass

    setattr(Framed, method, frame)
    return Framed


for method in ("finish_request", "process_request_thread"):

    @kind.case(gives=SERVED, name=f"{method}_with_try_and_finally")
    def server_frame(http, run, method=method):
        return three_requests(run, noting(http, run), framed_server(http, run, method))


@kind.case(gives=SERVED)
def a_context_manager_around_finish_request_of_an_instance(http, run):
    server = http.ThreadingHTTPServer(("127.0.0.1", 0), noting(http, run))
    original = server.finish_request

    def finish_request(request, client_address):
        run.notes.append("begins")
        original(request, client_address)
        run.notes.append("ends")

    server.finish_request = finish_request
    return three_requests(run, None, server)


@kind.case(gives=["1 open", "/1", "1 open", "/2", "1 open", "/3", "ends"])
def a_server_that_counts_its_open_connections(http, run):
    class Counting(http.ThreadingHTTPServer):
        open = 0

        def process_request_thread(self, request, client_address):
            self.open += 1
            try:
                super().process_request_thread(request, client_address)
            finally:
                self.open -= 1
                run.notes.append("ends")

    class Telling(noting(http, run)):
        def do_GET(self):
            run.notes.append(f"{self.server.open} open")
            super().do_GET()

    return three_requests(run, Telling, Counting)


# Threads


def bodies_between_others(run, server, targets):
    """What one connection is answered while the thread that served it before is busy with another's request."""
    client, bodies = run.connect(server), []
    for target in targets:
        bodies.append(client.get(target).body)
        server.held, server.release = threading.Event(), threading.Event()
        other = run.connect(server)
        other.send(b"HOLD / HTTP/1.1\r\nHost: test\r\n\r\n")
        server.held.wait(5)
        bodies.append(client.get(target).body)
        server.release.set()
        assert other.answer() == (200, b"held")
    return bodies


def threads(run, handler, server=None):
    """In how many threads the requests of one connection are served, as the handler noted them."""
    bodies_between_others(run, run.serve(handler, server), ["/"] * 3)
    return len(set(run.notes)), len(run.notes)


def thread_noting(http, run):
    class Noting(answering(http)):
        def do_GET(self):
            run.notes.append(threading.get_ident())
            super().do_GET()

    return Noting


@kind.case(gives=(1, 6))
def the_thread_of_a_class_with_an_init(http, run):
    class Framed(thread_noting(http, run)):
        def __init__(self, *args):
            self.made = True
            super().__init__(*args)

    return threads(run, Framed)


@kind.case(gives=(1, 6))
def the_thread_of_a_class_with_a_handle(http, run):
    class Framed(thread_noting(http, run)):
        def handle(self):
            super().handle()

    return threads(run, Framed)


@kind.case(gives=(1, 6))
def the_thread_of_state_made_lazily(http, run):
    class Lazy(thread_noting(http, run)):
        def do_GET(self):
            if not hasattr(self, "cache"):
                self.cache = {}
            super().do_GET()

    return threads(run, Lazy)


@kind.case(gives=(1, 6))
def the_thread_of_a_server_with_a_finish_request(http, run):
    class Framed(http.ThreadingHTTPServer):
        def finish_request(self, request, client_address):
            super().finish_request(request, client_address)

    return threads(run, thread_noting(http, run), Framed)


@kind.case(gives=(1, 5, True))
def the_thread_of_serve_forever(http, run):
    server = run.serve(thread_noting(http, run), http.HTTPServer)
    client = run.connect(server)
    for _ in range(5):
        client.get()
    return len(set(run.notes)), len(run.notes), run.notes[0] == server.serving.ident


@kind.case(gives=(2, True))
def two_connections_at_once_have_two_threads(http, run):
    class Meeting(thread_noting(http, run)):
        def do_GET(self):
            barrier.wait(5)
            super().do_GET()

    barrier = threading.Barrier(2)
    server = run.serve(Meeting)
    clients = [run.connect(server), run.connect(server)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    statuses = {client.answer().status for client in clients}
    return len(set(run.notes)), statuses == {200}


# State


class OneThreads:
    """A database that belongs to the thread that made it, as one of sqlite3 does; but it need not be closed there."""

    def __init__(self):
        self._thread = threading.get_ident()
        self._visits = []

    def visit(self, path):
        assert threading.get_ident() == self._thread, "used in another thread than that in which it was made"
        self._visits.append(path)
        return len(self._visits)

    def close(self):
        assert threading.get_ident() == self._thread, "closed in another thread than that in which it was made"


def over_database(http, run, **methods):
    """A handler over a database."""

    class Database(answering(http)):
        def do_GET(self):
            self.open()
            self.answer(str(self.db.visit(self.path)).encode())

        def open(self):
            pass

        def connect(self):
            self.db = OneThreads()

    for name, method in methods.items():
        setattr(Database, name, method)
    return Database


@kind.case(gives=[b"1", b"2", b"3", b"4"])
def a_database_opened_in_init(http, run):
    def __init__(self, *args):
        self.connect()
        try:
            super(Database, self).__init__(*args)
        finally:
            self.db.close()

    Database = over_database(http, run, __init__=__init__)
    return bodies_between_others(run, run.serve(Database), ["/"] * 2)


@kind.case(gives=[b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9", b"10"])
def a_database_opened_lazily(http, run):
    def open(self):
        if not hasattr(self, "db"):
            self.connect()

    return bodies_between_others(run, run.serve(over_database(http, run, open=open)), ["/"] * 5)


@kind.case(gives=[b"1", b"2", b"3", b"4"])
def a_database_opened_in_setup(http, run):
    def setup(self):
        super(Database, self).setup()
        self.connect()

    def finish(self):
        self.db.close()
        super(Database, self).finish()

    Database = over_database(http, run, setup=setup, finish=finish)
    return bodies_between_others(run, run.serve(Database), ["/"] * 2)


@kind.case(gives=[b"none", b"none", b"1", b"2"])
def a_database_opened_at_the_second_request(http, run):
    def open(self):
        if self.path == "/late" and not hasattr(self, "db"):
            self.connect()

    def do_GET(self):
        if self.path == "/early":
            self.answer(b"none")
        else:
            original(self)

    Database = over_database(http, run, open=open)
    original = Database.do_GET
    Database.do_GET = do_GET
    return bodies_between_others(run, run.serve(Database), ["/early", "/late"])


@kind.case(gives=[b"1", b"2", b"3", b"1", b"2"])
def a_counter_on_the_handler_is_the_connections(http, run):
    class Counting(answering(http)):
        def do_GET(self):
            self.count = getattr(self, "count", 0) + 1
            self.answer(str(self.count).encode())

    server = run.serve(Counting)
    first, second = run.connect(server), run.connect(server)
    return [client.get().body for client in (first, first, first, second, second)]


@kind.case(gives=(1, 4))
def one_object_for_all_requests_of_a_connection(http, run):
    class Itself(answering(http)):
        def do_GET(self):
            run.notes.append(self)
            super().do_GET()

    client = run.connect(run.serve(Itself))
    for _ in range(4):
        client.get()
    return len({id(one) for one in run.notes}), len(run.notes)


# Loops of one's own


def own_loop(http, run):
    # As the development server of a large web framework does it.
    class Loop(noting(http, run)):
        def handle(self):
            self.close_connection = True
            self.handle_one_request()
            while not self.close_connection:
                self.handle_one_request()
            run.notes.append("ends")

        def handle_one_request(self):
            self.raw_requestline = self.rfile.readline(65537)
            if len(self.raw_requestline) > 65536:
                self.requestline = self.request_version = self.command = ""
                self.send_error(414)
                return
            if not self.parse_request():
                return
            getattr(self, "do_" + self.command)()

    return Loop


@kind.case(gives=["/1", "/2", "/3", "ends"])
def both_handle_and_handle_one_request(http, run):
    return three_requests(run, own_loop(http, run))


@kind.case(gives=[(200, b"/%d" % number) for number in range(10)])
def the_tenth_request_of_a_loop_of_ones_own(http, run):
    client = run.connect(run.serve(own_loop(http, run)))
    return [client.get(f"/{number}") for number in range(10)]


@kind.case(gives=((200, b"/1"), b""))
def a_loop_of_ones_own_sends_nothing_at_the_end(http, run):
    client = run.connect(run.serve(own_loop(http, run)))
    return client.get("/1"), client.rest()


@kind.case(gives=(False, b"", True))
def parse_request_with_an_empty_line(http, run):
    class Empty(answering(http)):
        def handle(self):
            self.raw_requestline = b""
            run.notes.append(self.parse_request())
            run.notes.append(self.close_connection)

    client = run.connect(run.serve(Empty))
    heard = client.until_closed()
    parsed, closes = run.notes.wait_for(2)
    return parsed, heard, closes


@kind.case(gives=[(200, b"/1"), (200, b"/2"), (200, b"/3"), (0, b"")])
def a_handle_one_request_that_counts(http, run):
    class Bounded(answering(http)):
        served = 0

        def handle_one_request(self):
            super().handle_one_request()
            self.served += 1
            if self.served == 3:
                self.close_connection = True

    client = run.connect(run.serve(Bounded))
    return [client.get(f"/{number}") for number in (1, 2, 3, 4)]


@kind.case(gives=[(200, b"/1"), (200, b"/2"), "True after 2 requests"])
def a_handle_with_a_while_loop(http, run):
    class Loop(answering(http)):
        def handle(self):
            self.count = 0
            self.close_connection = False
            while not self.close_connection:
                self.handle_one_request()
                self.count += not self.close_connection
            run.notes.append(f"{self.close_connection} after {self.count} requests")

    client = run.connect(run.serve(Loop))
    answers = [client.get("/1"), client.get("/2")]
    client.leave()
    return [*answers, *run.notes.wait_for(1)]


# What a server does with a connection


@kind.case(gives=["get", "verify", "process", "finish", "/1", "/2", "/3", "shutdown", "close", "ends"])
def the_steps_of_a_server(http, run):
    class Steps(http.ThreadingHTTPServer):
        def get_request(self):
            run.notes.append("get")
            return super().get_request()

        def verify_request(self, request, client_address):
            run.notes.append("verify")
            return super().verify_request(request, client_address)

        def process_request(self, request, client_address):
            run.notes.append("process")
            super().process_request(request, client_address)

        def finish_request(self, request, client_address):
            run.notes.append("finish")
            super().finish_request(request, client_address)

        def shutdown_request(self, request):
            run.notes.append("shutdown")
            super().shutdown_request(request)
            run.notes.append("ends")

        def close_request(self, request):
            run.notes.append("close")
            super().close_request(request)

    return three_requests(run, noting(http, run), Steps)


@kind.case(gives=(b"", []))
def a_request_that_is_not_verified(http, run):
    class Shy(http.ThreadingHTTPServer):
        def verify_request(self, request, client_address):
            return False

    client = run.connect(run.serve(noting(http, run), Shy))
    return client.until_closed(), list(run.notes)


@kind.case(gives=["begins", "/1", "/2", "/3", "ends"])
def a_pool_of_threads_for_a_server(http, run):
    class Pooled(http.HTTPServer):
        pool = concurrent.futures.ThreadPoolExecutor(2)

        def process_request(self, request, client_address):
            self.pool.submit(self.serve_one, request, client_address)

        def serve_one(self, request, client_address):
            run.notes.append("begins")
            try:
                self.finish_request(request, client_address)
            except Exception:
                self.handle_error(request, client_address)
            finally:
                self.shutdown_request(request)
                run.notes.append("ends")

    notes = three_requests(run, noting(http, run), Pooled)
    Pooled.pool.shutdown()
    return notes


@kind.case(gives=SERVED)
def a_thread_for_each_connection_by_a_mixin_of_ones_own(http, run):
    class OwnThreads:
        def process_request(self, request, client_address):
            thread = threading.Thread(target=self.talk, args=(request, client_address), daemon=True)
            thread.start()

        def talk(self, request, client_address):
            run.notes.append("begins")
            self.finish_request(request, client_address)
            self.shutdown_request(request)
            run.notes.append("ends")

    class Server(OwnThreads, http.HTTPServer):
        pass

    return three_requests(run, noting(http, run), Server)


@kind.case(gives=SERVED)
def the_mixin_of_socketserver(http, run):
    class Server(socketserver.ThreadingMixIn, http.HTTPServer):
        daemon_threads = True

        def process_request_thread(self, request, client_address):
            run.notes.append("begins")
            super().process_request_thread(request, client_address)
            run.notes.append("ends")

    return three_requests(run, noting(http, run), Server)


@kind.case(
    gives=(["ZeroDivisionError"], 0),
    ours=(["ZeroDivisionError"], 500),
    reason="The client of a handler that raised is told so, if it has heard nothing yet.",
)
def an_exception_in_a_handler(http, run):
    class Handling(http.ThreadingHTTPServer):
        def handle_error(self, request, client_address):
            import sys

            run.notes.append(sys.exc_info()[0].__name__)

    class Failing(answering(http)):
        def do_GET(self):
            return 1 // 0

    status = run.connect(run.serve(Failing, Handling)).get().status
    return run.notes.wait_for(1), status


@kind.case(gives=[(200, b"/1"), (200, b"/2")])
def a_handle_that_sets_its_own_timeout(http, run):
    class Timed(answering(http)):
        def handle(self):
            self.request.settimeout(5)
            super().handle()

    client = run.connect(run.serve(Timed))
    return [client.get("/1"), client.get("/2")]
