using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Http;
using SgLang.Engine;
using SgLang.Profiling;
using SgLang.Protocol;
using SgLang.Server.Http;
using SgLang.Server.Serving;

namespace SgLang.Server.Endpoints;

/// <summary>
/// /start_profile, /stop_profile (also /end_profile), /cancel_profile, /profile_status, /profile_list, /profile_clock, /profile_download/{profile_id}/{file} and /dump_flight_record.
/// </summary>
internal sealed class ProfileEndpoints(ServingContext serving)
{
    public async Task StartAsync(HttpContext http)
    {
        ProfileOptions options = ProfileBody.Parse(await ReadAsync(http), Environment.GetEnvironmentVariable, DateTimeOffset.UtcNow, serving.Options.ProfileOutputRoot);
        if (serving.Engine.Profiler.ReasonAgainst(options) is { } reason)
        {
            await FailAsync(http, 400, "Bad Request", reason);
            return;
        }
        string? refusal;
        try
        {
            refusal = serving.Engine.Profiler.Start(options);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await FailAsync(http, 400, "Bad Request", $"output_dir '{options.OutputDirectory}' cannot be written: {e.Message}");
            return;
        }
        if (refusal is not null) await FailAsync(http, 409, "Conflict", refusal);
        else await Respond.TextAsync(http, 200, "Start profiling.\n");
    }

    /// <summary>Answers when the files are written; at once with ?wait=false.</summary>
    public async Task StopAsync(HttpContext http)
    {
        if (serving.Engine.Profiler.Stop() is not { } ended)
        {
            await FailAsync(http, 409, "Conflict", ProfileWindow.NotInProgress);
            return;
        }
        if (!string.Equals(http.Request.Query["wait"], "false", StringComparison.OrdinalIgnoreCase))
        {
            ProfileResult result = await ended.WaitAsync(http.RequestAborted);
            if (result.Error is { } error)
            {
                await FailAsync(http, 500, "InternalServerError", $"The trace could not be written: {error}");
                return;
            }
        }
        await Respond.TextAsync(http, 200, "Stop profiling. This will take some time.\n");
    }

    /// <summary>Drops the window and what it has recorded; answers when that has been done.</summary>
    public async Task CancelAsync(HttpContext http)
    {
        if (serving.Engine.Profiler.Cancel() is not { } ended)
        {
            await FailAsync(http, 409, "Conflict", ProfileWindow.NotInProgress);
            return;
        }
        await ended.WaitAsync(http.RequestAborted);
        await Respond.TextAsync(http, 200, "Profiling is cancelled.\n");
    }

    /// <summary>Windows that are over and their files.</summary>
    public Task ListAsync(HttpContext http)
    {
        var profiles = new JsonArray();
        foreach (ProfileResult result in serving.Engine.Profiler.Results)
        {
            JsonObject described = Describe(result);
            described["downloads"] = new JsonArray([.. result.Files.Where(File.Exists).Select(file => (JsonNode)new JsonObject
            {
                ["file"] = Path.GetFileName(file),
                ["bytes"] = new FileInfo(file).Length,
                ["url"] = $"/profile_download/{Uri.EscapeDataString(result.Id)}/{Uri.EscapeDataString(Path.GetFileName(file))}",
            })]);
            profiles.Add((JsonNode)described);
        }
        return Respond.JsonAsync(http, 200, new JsonObject { ["profiles"] = profiles }, ProtocolJsonContext.Default.JsonObject);
    }

    /// <summary>A file of a window that is over; no other file of the machine.</summary>
    public async Task DownloadAsync(HttpContext http)
    {
        string id = Uri.UnescapeDataString((string?)http.Request.RouteValues["id"] ?? ""), name = Uri.UnescapeDataString((string?)http.Request.RouteValues["file"] ?? "");
        string? path = serving.Engine.Profiler.Results.Reverse().Where(result => result.Id == id).SelectMany(result => result.Files)
            .FirstOrDefault(file => Path.GetFileName(file) == name && File.Exists(file));
        if (path is null)
        {
            await FailAsync(http, 404, "NotFound", $"no file '{name}' of profile '{id}' is here; see /profile_list");
            return;
        }
        http.Response.ContentType = "application/octet-stream";
        http.Response.ContentLength = new FileInfo(path).Length;
        http.Response.Headers.ContentDisposition = "attachment";
        await http.Response.SendFileAsync(path, http.RequestAborted);
    }

    /// <summary>Writes what the flight recorder has of the last seconds; answers with the files.</summary>
    public async Task DumpFlightRecordAsync(HttpContext http)
    {
        FlightBody body = ProfileBody.ParseFlight(await ReadAsync(http), serving.Options.ProfileOutputRoot);
        FlightDumper flight = serving.Engine.Profiler.Flight;
        if (!flight.IsOn)
        {
            await FailAsync(http, 409, "Conflict", "The flight recorder is off: start the server with --flight-recorder-seconds above 0.");
            return;
        }
        FlightDump dump;
        try
        {
            dump = await Task.Run(() => flight.Dump("asked for over HTTP", body.OutputDirectory, body.Length, body.Id), http.RequestAborted);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            await FailAsync(http, 400, "Bad Request", $"output_dir '{body.OutputDirectory ?? flight.DefaultDirectory}' cannot be written: {e.Message}");
            return;
        }
        var answer = new JsonObject
        {
            ["profile_id"] = dump.Id,
            ["output_dir"] = dump.OutputDirectory,
            ["files"] = new JsonArray([.. dump.Files.Select(file => (JsonNode)file)]),
            ["first_step"] = dump.FirstStep,
            ["last_step"] = dump.LastStep,
            ["seconds"] = Math.Round(dump.Duration.TotalSeconds, 3),
        };
        await Respond.JsonAsync(http, 200, answer, ProtocolJsonContext.Default.JsonObject);
    }

    /// <summary>
    /// The clock that traces are stamped with, in nanoseconds since the Unix epoch, when the question came and when the answer leaves: a client's
    /// half of a two-way exchange.
    /// </summary>
    public Task ClockAsync(HttpContext http)
    {
        long received = TraceClock.NowNanoseconds();
        var answer = new JsonObject { ["received_ns"] = received, ["answered_ns"] = TraceClock.NowNanoseconds() };
        return Respond.JsonAsync(http, 200, answer, ProtocolJsonContext.Default.JsonObject);
    }

    public Task StatusAsync(HttpContext http)
    {
        ProfileStatus status = serving.Engine.Profiler.Status;
        // A window is all ranks': they begin, record and end the same steps.
        var answer = new JsonObject
        {
            ["state"] = status.State.ToString().ToLowerInvariant(),
            ["ranks"] = new JsonArray([.. serving.Engine.Profiler.RankLabels.Select(label => (JsonNode)Describe(label, status))]),
        };
        return Respond.JsonAsync(http, 200, answer, ProtocolJsonContext.Default.JsonObject);
    }

    private static JsonObject Describe(string label, ProfileStatus status)
    {
        var rank = new JsonObject
        {
            ["rank"] = label,
            ["state"] = status.State.ToString().ToLowerInvariant(),
            ["forward_ct"] = status.Step,
        };
        if (status.Options is { } options)
        {
            rank["profile_id"] = options.Id;
            rank["output_dir"] = options.OutputDirectory;
            rank["num_steps"] = options.NumSteps;
            rank["first_step"] = status.FirstStep;
            rank["steps_recorded"] = status.NumRecorded;
        }
        if (status.Last is { } last) rank["last"] = Describe(last);
        return rank;
    }

    private static JsonObject Describe(ProfileResult result) => new()
    {
        ["profile_id"] = result.Id,
        ["output_dir"] = result.OutputDirectory,
        ["cancelled"] = result.WasCancelled,
        ["first_step"] = result.FirstStep,
        ["last_step"] = result.LastStep,
        ["steps_recorded"] = result.NumSteps,
        ["records_dropped"] = result.RecordsDropped,
        ["files"] = new JsonArray([.. result.Files.Select(file => (JsonNode)file)]),
        ["error"] = result.Error,
    };

    private Task FailAsync(HttpContext http, int status, string type, string message) => Respond.JsonAsync(http, status, new JsonObject
    {
        ["object"] = "error",
        ["message"] = message,
        ["type"] = type,
        ["param"] = null,
        ["code"] = status,
        ["ranks"] = new JsonObject(serving.Engine.Profiler.RankLabels.Select(label => KeyValuePair.Create(label, (JsonNode?)message))),
    }, ProtocolJsonContext.Default.JsonObject);

    private static async Task<byte[]> ReadAsync(HttpContext http)
    {
        PipeReader reader = http.Request.BodyReader;
        while (true)
        {
            ReadResult result = await reader.ReadAsync(http.RequestAborted);
            if (result.IsCompleted)
            {
                byte[] body = result.Buffer.ToArray();
                reader.AdvanceTo(result.Buffer.End);
                return body;
            }
            reader.AdvanceTo(result.Buffer.Start, result.Buffer.End);
        }
    }
}
