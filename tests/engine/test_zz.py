import time
from tests.engine.kit import *
from tests.engine.crowd import *
import re
import pytest
from tests.engine.test_buffers import buffers_per_claim
def test_costs(server, new_database, template_sql, connect):
    for finished in (2_000, 200_000):
        engine = Engine(connect(new_database(server, schema=template_sql)))
        stop_autovacuum(engine.connection)
        engine.add_model("painter", lane=LANE)
        add_finished(engine.connection, finished, rows_of_each_kind=False)
        add_queued(engine.connection, 1000)
        analyze(engine.connection)
        print("BUF", server.major, finished, buffers_per_claim(engine))
@pytest.mark.parametrize("pins", [True, False])
def test_speed(engine, server, pins):
    if not pins:
        for r in engine.all("select p.oid::regprocedure::text f from pg_proc p where pronamespace='vsl'::regnamespace and proconfig::text like '%%seqscan%%'"):
            for g in ("enable_seqscan","enable_hashjoin","enable_mergejoin","enable_material","jit"):
                engine.connection.execute(f"alter function {r['f']} reset {g}")
    for batch, n in ((1, 1000), (50, 5000)):
        engine.submit_many(n)
        engine.connection.execute("ANALYZE jobs"); engine.connection.execute("ANALYZE vsl.dispatch")
        t0=time.time(); tc=tb=tf=0
        for _ in range(n//batch):
            a=time.time(); c=engine.claim(batch); b_=time.time()
            b={x.id:x for x in engine.begin(*c)}; c_=time.time()
            engine.finish(*[result(x,b[x.id]) for x in c]); d=time.time()
            tc+=b_-a; tb+=c_-b_; tf+=d-c_
        print("SPEED", server.major, "pins", pins, "batch", batch, f"{n/(time.time()-t0):.0f}/s claim {tc/n*1e6:.0f} begin {tb/n*1e6:.0f} finish {tf/n*1e6:.0f} us/job")
