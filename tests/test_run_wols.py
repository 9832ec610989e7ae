"""`drivers/run_wols.py` as a user runs it: results, accounts of rows, messages, and going on after a crash."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import statsmodels.api as sm

from data_gen.gen_regression import generate
from drivers.run_directory import RunDirectory
from drivers.run_wols import fit
from jobs.errors import ScanError
from tests.conftest import make_table, read_model, read_passes, write_csv

EXACT = ("--target", "y", "--weight", "w", "--no-report")


@pytest.fixture
def table(tmp_path):
    matrix, names = make_table(3000)
    write_csv(tmp_path / "t.csv", matrix, names)
    return matrix, names


def tables_of(model):
    return {table["covariance_type"]: table for table in model["inference"]["coefficients"]}


def reference(matrix):
    return sm.WLS(matrix[:, 0], sm.add_constant(matrix[:, 1:-1]), weights=matrix[:, -1]).fit()


def test_the_fit_is_that_of_statsmodels(table, run_wols):
    done = run_wols("t.csv", *EXACT, "--diagnostics", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    model, expected = read_model("r"), reference(table[0])
    tables = tables_of(model)
    assert set(tables) == {"classical", "HC0", "HC1", "HC2", "HC3", "equal-variance"}
    results = {"classical": expected}
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        results[kind] = reference(table[0]).get_robustcov_results(kind, use_t=False)
    for kind, result in results.items():
        found = tables[kind]
        np.testing.assert_allclose(found["estimates"], result.params, rtol=1e-9)
        np.testing.assert_allclose(found["standard_errors"], result.bse, rtol=1e-9)
        np.testing.assert_allclose(found["statistics"], result.tvalues, rtol=1e-9)
        np.testing.assert_allclose(found["p_values"], result.pvalues, rtol=1e-8, atol=1e-300)
        np.testing.assert_allclose(found["intervals"], result.conf_int(), rtol=1e-9)
    inference = model["inference"]
    for name, attribute in {
        "r_squared": "rsquared", "r_squared_adjusted": "rsquared_adj", "f_statistic": "fvalue", "log_likelihood": "llf",
        "aic": "aic", "bic": "bic", "residual_variance": "scale", "df_residuals": "df_resid",
    }.items():  # fmt: skip
        assert inference[name] == pytest.approx(getattr(expected, attribute), rel=1e-9), name
    assert [entry["job"] for entry in read_passes("r")] == ["MRWOLS", "MRWOLSResiduals"]
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


def test_one_pass_is_enough_and_unweighted_is_ordinary_least_squares(table, run_wols):
    done = run_wols("t.csv", "--target", "y", "--features", "x1,x2", "--no-report", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    assert len(read_passes("r")) == 1
    matrix = table[0]
    expected = sm.OLS(matrix[:, 0], sm.add_constant(matrix[:, 1:-1])).fit()
    np.testing.assert_allclose(read_model("r")["inference"]["coefficients"][0]["standard_errors"], expected.bse, rtol=1e-9)


def test_the_same_bits_on_every_runner_and_split(tmp_path, run_wols):
    matrix, names = make_table(400_000, 1, seed=5)
    for n_files in (1, 10):
        (tmp_path / f"{n_files}").mkdir()
        for i, piece in enumerate(np.array_split(matrix, n_files)):
            np.savetxt(tmp_path / f"{n_files}" / f"{i:02d}.csv", piece, delimiter=",", fmt="%.17g")
    runners = [["-r", "inline"], *[["-r", "local", "--num-cores", n] for n in (1, 2, 3, 7)]]
    found = {}
    for n_files in (1, 10):
        for runner in runners:
            name = "-".join(map(str, [n_files, *runner[1::2]]))
            done = run_wols(n_files, "--columns", ",".join(names), *EXACT, "--run-dir", name, *runner)
            assert done.returncode == 0, done.stderr
            (entry,) = read_passes(name)
            found[name] = [entry["statistics_md5"], read_model(name)["parameters"]]
            assert entry["n_blocks"] > 8
    assert all(result == found["1-inline"] for result in found.values()), found


def test_every_row_is_accounted_for(tmp_path, run_wols):
    lines = ["y,x,w"] + [f"{i % 7},{i},{1 + i % 3}" for i in range(200)]
    lines[20], lines[30], lines[40] = "bad,1,1", "1,,1", "1,NA,2"
    (tmp_path / "t.csv").write_text("\n".join(lines))
    done = run_wols("t.csv", *EXACT, "--max-bad-rows", 3, "--missing", "drop", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    (entry,) = read_passes("r")
    assert [entry[f"rows_{what}"] for what in ("in", "used", "rejected", "missing")] == [200, 197, 1, 2]
    assert (tmp_path / "r" / "rejects.csv").read_text().splitlines()[1] == "t.csv,21,y,bad,is not a number"


MESSAGES = [
    ("y,x,w\n1,abc,1\n2,5,1\n", EXACT, 1, "t.csv, line 2, column 'x': 'abc' is not a number"),
    ("y,x,w\n1,2,1\n3\n", EXACT, 1, "t.csv, line 3: this row has 1 cell where 3 columns are expected"),
    ("", EXACT, 1, "t.csv is empty"),
    ("y,x,w\n", EXACT, 1, "t.csv holds no rows"),
    ("y,x,w\n1,2,1\n2,3,-4\n", EXACT, 1, "t.csv, line 3, column 'w': the weight -4 is negative"),
    ("y,x,w\n1,2,0\n2,3,0\n", EXACT, 1, "all weights in column 'w' are zero"),
    ("y,x,w\n1,2,1\n2,,1\n", EXACT, 1, "t.csv, line 3, column 'x': the cell is missing"),
    ("y,x,w\n1,,1\n2,,1\n", EXACT, 1, "column 'x' has no value in any row"),
    ("y,x,weight\n1,2,1\n", ("--target", "y", "--weight", "wieght"), 1, "no column 'wieght'; did you mean 'weight'?"),
    ("y,x,w\n1,2,1\n", ("--target", "y", "--features", "x,y"), 1, "the target 'y' is among the features"),
    ("y,x,w\n1,2,1\n", (), 2, "name the column to explain with --target"),
    ("y,x,w\n1,2,1\n", (*EXACT, "-r", "moon"), 1, "-r moon: the runners are inline, local"),
    ("y,x,w\n1,2,1\n", (*EXACT, "--nonsense"), 2, "unrecognized arguments: --nonsense"),
    ("y,x,w\n1,2,1\n2,3,1\n", (*EXACT, "--solver", "gd", "--start", "1"), 1, "--start 1 needs 2 numbers"),
]


@pytest.mark.parametrize(("text", "options", "status", "message"), MESSAGES, ids=lambda value: None)
def test_a_mistake_gives_one_message_and_nothing_half_done(tmp_path, run_wols, text, options, status, message):
    (tmp_path / "t.csv").write_text(text)
    done = run_wols("t.csv", *options)
    assert done.returncode == status
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("error:") == 1
    assert done.stdout == ""
    assert not list((tmp_path / "runs").glob("*")) if (tmp_path / "runs").exists() else True


def test_a_missing_file_is_one_message(run_wols):
    done = run_wols("gone.csv", "--target", "y")
    assert (done.returncode, done.stderr) == (1, "run_wols.py: error: no such file: gone.csv\n")


def test_the_demonstration_says_that_its_weights_are_no_good(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=50_000)
    done = run_wols("d.csv", "--columns", "y,x,w", *EXACT, "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    assert "do not believe the classical standard errors" in " ".join(done.stdout.split())
    model = read_model("r")
    errors = {kind: table["standard_errors"][0] for kind, table in tables_of(model).items()}
    assert errors["equal-variance"] > 10 * errors["classical"]
    assert model["inference"]["covariance_type"] == "equal-variance"


DESCENT = ("--solver", "gd", "--start", "0.636,0.2105")


def descent(run_wols, *options):
    done = run_wols("d.csv", "--columns", "y,x,w", *EXACT, *DESCENT, "--run-dir", "r", *options)
    return done, read_model("r") if done.returncode in (0, 3) else None


def test_gradient_descent_goes_to_the_exact_solution(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=20_000)
    done, model = descent(run_wols, "--learning-rate", "0.2,1,2.1")
    assert done.returncode == 0, done.stderr
    run_wols("d.csv", "--columns", "y,x,w", *EXACT, "--run-dir", "exact", "--no-diagnostics")
    exact = read_model("exact")["parameters"]
    assert model["parameters"]["intercept"] == pytest.approx(exact["intercept"], abs=1e-6)
    assert model["parameters"]["coefficients"] == pytest.approx(exact["coefficients"], abs=1e-6)
    candidates = {c["learning_rate"]: c for c in model["training"]["candidates"]}
    assert [candidates[rate]["status"] for rate in (0.2, 1.0, 2.1)] == ["converged", "converged", "diverged"]
    assert candidates[1.0]["n_passes"] < 40
    assert len(read_passes("r")) == candidates[0.2]["n_passes"] == model["training"]["n_passes"]
    assert "the learning rate 2.1 diverged" in done.stdout


def test_the_classical_stop_rule_stops_early_and_says_so(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=20_000)
    done, model = descent(run_wols, "--stop", "step")
    assert done.returncode == 0, done.stderr
    assert model["training"]["status"] == "stopped early"
    assert model["training"]["remaining_distance"] > 0.02
    assert "stopped early" in done.stdout


def test_a_rate_that_diverges_is_never_returned(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=20_000)
    done, _ = descent(run_wols, "--learning-rate", "2.5")
    assert done.returncode == 1
    assert "diverged at every learning rate (2.5)" in done.stderr
    assert not (tmp_path / "r" / "model.json").exists()


def test_too_few_passes_is_exit_status_3(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=2_000)
    done, model = descent(run_wols, "--max-iter", 3)
    assert done.returncode == 3
    assert (model["training"]["converged"], model["training"]["n_passes"]) == (False, 3)


def kill_when(command, condition, signal_number):
    """Starts a driver and sends it a signal as soon as a condition holds."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not condition() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.002)
    process.send_signal(signal_number)
    stdout, stderr = process.communicate()
    return process.returncode, stdout, stderr


@pytest.mark.parametrize("n_passes", [0, 1, 4, 9])
def test_a_killed_descent_resumes_to_the_same_bits(tmp_path, run_wols, n_passes):
    generate(tmp_path / "d.csv", rows=20_000)
    options = ("d.csv", "--columns", "y,x,w", *EXACT, *DESCENT, "--learning-rate", "0.3", "--max-iter", "14")
    run_wols(*options, "--run-dir", "whole")
    ledger = tmp_path / "r" / "passes.jsonl"

    def reached():
        if n_passes == 0:
            return (tmp_path / "r" / "options.json").exists()
        return ledger.exists() and len(ledger.read_bytes().splitlines()) >= n_passes

    status, _, _ = kill_when(run_wols.command(*options, "--run-dir", "r"), reached, signal.SIGKILL)
    assert status == -signal.SIGKILL
    done = run_wols("--resume", "r")
    assert done.returncode == 3, done.stderr
    assert read_model("r")["parameters"] == read_model("whole")["parameters"]
    assert read_model("r")["training"] == read_model("whole")["training"]


def test_an_exact_run_killed_between_its_passes_resumes(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=50_000)
    options = ("d.csv", "--columns", "y,x,w", *EXACT, "--diagnostics")
    run_wols(*options, "--run-dir", "whole")
    ledger = tmp_path / "r" / "passes.jsonl"
    kill_when(run_wols.command(*options, "--run-dir", "r"), ledger.exists, signal.SIGKILL)
    done = run_wols("--resume", "r")
    assert done.returncode == 0, done.stderr
    assert read_model("r")["parameters"] == read_model("whole")["parameters"]
    assert read_model("r")["inference"] == read_model("whole")["inference"]


@pytest.mark.parametrize("solver", ["exact", "gd"])
def test_a_finished_run_resumes_to_the_same_model_without_a_pass(tmp_path, run_wols, solver):
    lines = ["y,x,w"] + [f"{(7 * i) % 11},{i % 13},{1 + i % 3}" for i in range(200)]
    lines[40], lines[50] = "bad,1,1", "1,NA,2"
    (tmp_path / "t.csv").write_text("\n".join(lines))
    options = ["--missing", "drop", "--max-bad-rows", "1"]
    options += ["--max-iter", "4", "--learning-rate", "0.01"] if solver == "gd" else []
    run_wols("t.csv", *EXACT, *options, "--solver", solver, "--run-dir", "r")
    model = read_model("r")
    assert model["training"]["rows_missing"] == 1
    os.remove("r/model.json")
    assert run_wols("--resume", "r").returncode == (3 if solver == "gd" else 0)
    assert read_model("r") == model
    assert len(read_passes("r")) == model["training"]["n_passes"]


def test_an_interrupted_run_says_how_to_go_on(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=20_000)
    command = run_wols.command("d.csv", "--columns", "y,x,w", *EXACT, *DESCENT, "--run-dir", "r", "--learning-rate", "0.3")
    ledger = tmp_path / "r" / "passes.jsonl"
    status, _, stderr = kill_when(command, ledger.exists, signal.SIGINT)
    assert status == 130
    assert "--resume r" in stderr
    assert "Traceback" not in stderr
    assert run_wols("--resume", "r").returncode == 0


def test_a_resumed_run_keeps_its_options_and_its_data(tmp_path, table, run_wols):
    assert run_wols("t.csv", *EXACT, "--run-dir", "r").returncode == 0
    done = run_wols("--resume", "r", "--target", "x1")
    assert done.returncode == 2
    assert "began with --target y, not x1" in done.stderr
    assert run_wols("--resume", "r", "-r", "local").returncode == 0
    write_csv(tmp_path / "t.csv", table[0][:-1], table[1])
    done = run_wols("--resume", "r")
    assert done.returncode == 1
    assert "the data have changed" in done.stderr
    assert "not the directory of a run" in run_wols("--resume", "elsewhere").stderr


def test_a_run_directory_is_not_overwritten(table, run_wols):
    assert run_wols("t.csv", *EXACT, "--run-dir", "r").returncode == 0
    done = run_wols("t.csv", *EXACT, "--run-dir", "r")
    assert done.returncode == 1
    assert "is not empty" in done.stderr


def test_the_ledger_says_how_to_run_a_pass_again(table, run_wols):
    assert run_wols("t.csv", *EXACT, "--run-dir", "r").returncode == 0
    (entry,) = read_passes("r")
    root = run_wols.script.parent.parent
    again = subprocess.run(
        [*run_wols.command()[:1], *entry["command"].split()[1:]], capture_output=True, cwd=root, text=True
    )
    assert again.returncode == 0, again.stderr
    from jobs.kernels.wols import WOLSStatistics  # noqa: F401  (the record of the answer)
    from jobs.mr_scan import PassAnswer

    assert PassAnswer.from_line(again.stdout.strip()).statistics.md5() == entry["statistics_md5"]


def test_the_query_of_a_pass_fits_the_original_file_too(tmp_path, table, run_wols):
    assert run_wols("t.csv", *EXACT, "--run-dir", "r").returncode == 0
    job = run_wols.script.parent.parent / "jobs" / "mr_wols.py"
    again = subprocess.run([*run_wols.command()[:1], job, "--query", "r/queries/0001.query", "t.csv"], capture_output=True)
    assert again.returncode == 0, again.stderr
    from jobs.mr_scan import PassAnswer
    from jobs.mr_wols import WOLSStatistics

    answer = PassAnswer.from_line(again.stdout)
    known = RunDirectory.open("r").load_phase("exact", PassAnswer)
    assert isinstance(answer.statistics, WOLSStatistics)
    assert answer.statistics.close(known.statistics)
    assert answer.counts == known.counts


def test_mrjob_switches_and_conf_reach_the_runner(tmp_path, table, run_wols):
    conf = tmp_path / "my.conf"
    conf.write_text("runners:\n  local:\n    num_cores: 5\n    cleanup_on_failure: NONE\n")
    done = run_wols("t.csv", *EXACT, "-r", "local", "-c", conf, "--run-dir", "r", "--cmdenv", "A=B")
    assert done.returncode == 0, done.stderr
    (entry,) = read_passes("r")
    assert "--cmdenv=A=B" in entry["command"]
    assert "--cleanup-on-failure" not in entry["command"]


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_failing_task_gives_its_own_words_once(tmp_path, table, run_wols, runner):
    assert run_wols("t.csv", *EXACT, "--run-dir", "r").returncode == 0
    (blocks,) = (tmp_path / "cache").glob("scanlearn/packs/*/blocks.bin")
    data = bytearray(blocks.read_bytes())
    data[-5] ^= 1
    blocks.write_bytes(data)
    done = run_wols("t.csv", *EXACT, "--run-dir", "r2", "-r", runner)
    assert done.returncode == 1
    assert "a block whose column 'w' is cut short or damaged" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_singular_matrix_is_named(tmp_path, run_wols):
    matrix, names = make_table(300)
    matrix = np.column_stack([matrix, matrix[:, 1] + matrix[:, 2]])
    write_csv(tmp_path / "t.csv", matrix, [*names, "x3"])
    done = run_wols("t.csv", "--target", "y", "--weight", "w", "--no-report", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    assert read_model("r")["inference"]["dependent_features"] == ["x3"]
    assert "the matrix is singular" in done.stdout


def test_json_on_standard_output(table, run_wols):
    done = run_wols("t.csv", *EXACT, "--json", "--quiet")
    assert json.loads(done.stdout)["kind"] == "wols"
    assert done.stderr == ""


def test_the_python_face_is_the_program(table, run_wols):
    assert run_wols("t.csv", *EXACT, "--features", "x1,x2", "--run-dir", "r").returncode == 0
    model, run = fit("t.csv", target="y", weight="w", features=["x1", "x2"], report=False)
    expected = read_model("r")
    assert model["parameters"] == expected["parameters"]
    assert model["inference"] == expected["inference"]
    assert run.directory.passes()[0]["statistics_md5"] == read_passes("r")[0]["statistics_md5"]
    assert run_wols("--resume", run.directory.path).returncode == 0
    starts = fit("t.csv", target="y", solver="gd", start=["1,0,0,0", "random"], learning_rate=[0.01], max_iter=2)[0]
    assert len(starts["training"]["candidates"]) == 2
    with pytest.raises(ScanError, match="unrecognized arguments: --targget=y"):
        fit("t.csv", targget="y")
    with pytest.raises(ScanError, match="no column 'z'"):
        fit("t.csv", target="z", run_dir="z")
    assert not os.path.exists("z")


def test_numpy_imported_first_changes_no_bit(table, run_wols):
    assert run_wols("t.csv", *EXACT, "--run-dir", "r").returncode == 0
    code = "import numpy; from drivers.run_wols import fit; fit('t.csv', target='y', weight='w', run_dir='n', report=False)"
    many = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([*run_wols.command()[:1], "-c", code], capture_output=True, text=True, env=many)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert read_passes("n")[0]["statistics_md5"] == read_passes("r")[0]["statistics_md5"]


def test_an_iteration_is_told_a_line(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=2_000)
    done, _ = descent(run_wols, "--max-iter", 3)
    assert "pass    1  objective" in done.stderr
    done = run_wols("d.csv", "--columns", "y,x,w", *EXACT, *DESCENT, "--max-iter", "3", "--quiet")
    assert done.stderr == ""


def test_temporary_folders_are_private_and_gone(tmp_path, table, run_wols):
    assert run_wols("t.csv", *EXACT, "-r", "local", "--run-dir", "r").returncode == 0
    assert os.stat("r").st_mode & 0o777 == 0o700
    assert not os.path.exists("r/tmp")


def test_too_few_rows_are_left_when_those_with_missing_cells_have_gone(tmp_path, run_wols):
    (tmp_path / "t.csv").write_text("y,a,b\n1,2,3\n2,1,\n3,,1\n4,5,2\n")
    done = run_wols("t.csv", "--target", "y", "--missing", "drop", "--no-report")
    assert done.returncode == 1
    assert "2 rows of positive weight with every cell they need are too few for 3 coefficients" in done.stderr


def test_a_damaged_configuration_of_mrjob_is_one_message(tmp_path, run_wols):
    (tmp_path / "t.csv").write_text("y,x\n1,2\n2,1\n3,5\n")
    (tmp_path / "bad.conf").write_text("runners: [")
    done = run_wols("t.csv", "--target", "y", "-c", "bad.conf", "--no-report")
    assert done.returncode == 1
    assert "bad.conf is not a configuration of mrjob: " in done.stderr and "Traceback" not in done.stderr
