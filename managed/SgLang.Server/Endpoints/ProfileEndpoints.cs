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

/// <summary>/start_profile, /stop_profile (also /end_profile) and /profile_status.</summary>
internal sealed class ProfileEndpoints(ServingContext serving)
{
    private const string Rank = "TP-0";

    public async Task StartAsync(HttpContext http)
    {
        ProfileOptions options = ProfileBody.Parse(await ReadAsync(http), Environment.GetEnvironmentVariable, DateTimeOffset.UtcNow);
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

    public Task StatusAsync(HttpContext http)
    {
        ProfileStatus status = serving.Engine.Profiler.Status;
        var rank = new JsonObject
        {
            ["rank"] = Rank,
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
        if (status.Last is { } last)
        {
            rank["last"] = new JsonObject
            {
                ["profile_id"] = last.Id,
                ["output_dir"] = last.OutputDirectory,
                ["cancelled"] = last.WasCancelled,
                ["first_step"] = last.FirstStep,
                ["last_step"] = last.LastStep,
                ["steps_recorded"] = last.NumSteps,
                ["records_dropped"] = last.RecordsDropped,
                ["files"] = new JsonArray([.. last.Files.Select(file => (JsonNode)file)]),
                ["error"] = last.Error,
            };
        }
        var answer = new JsonObject { ["state"] = status.State.ToString().ToLowerInvariant(), ["ranks"] = new JsonArray((JsonNode)rank) };
        return Respond.JsonAsync(http, 200, answer, ProtocolJsonContext.Default.JsonObject);
    }

    private static Task FailAsync(HttpContext http, int status, string type, string message) => Respond.JsonAsync(http, status, new JsonObject
    {
        ["object"] = "error",
        ["message"] = message,
        ["type"] = type,
        ["param"] = null,
        ["code"] = status,
        ["ranks"] = new JsonObject { [Rank] = message },
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
