using System.Globalization;
using System.Text;

namespace SgLang.Profiling.Tests.Analysis;

/// <summary>Makes small traces by hand; times in microseconds.</summary>
internal sealed class TraceText
{
    public const int Pid = 7700;

    private readonly List<string> _events = [];
    private int _correlation = 1;

    public string Device { get; init; } = "NVIDIA H100 80GB HBM3";
    public string Members { get; init; } = "";

    public TraceText Host(string category, string name, double start, double end, string arguments = "", int thread = 1)
    {
        _events.Add(string.Create(CultureInfo.InvariantCulture, $$$"""{"ph":"X","cat":"{{{category}}}","name":"{{{name}}}","pid":{{{Pid}}},"tid":{{{thread}}},"ts":{{{start:0.000}}},"dur":{{{end - start:0.000}}},"args":{{{{arguments}}}}}"""));
        return this;
    }

    public TraceText Step(string name, double start, double end) => Host("user_annotation", name, start, end);

    public TraceText Wait(double start, double end) => Host("cuda_runtime", "cudaStreamSynchronize", start, end, $"\"correlation\":{_correlation++}");

    /// <summary>A call from <paramref name="called"/> to <paramref name="returned"/> and its kernel.</summary>
    public TraceText Kernel(string name, double called, double returned, double start, double end, int stream = 7, string arguments = "", int device = 0)
    {
        Host("cuda_runtime", "cudaLaunchKernel", called, returned, $"\"correlation\":{_correlation}");
        return Work("kernel", name, start, end, stream, $"\"correlation\":{_correlation++}{arguments}", device);
    }

    public TraceText Work(string category, string name, double start, double end, int stream = 7, string arguments = "\"stream\":7", int device = 0)
    {
        _events.Add(string.Create(CultureInfo.InvariantCulture, $$$"""{"ph":"X","cat":"{{{category}}}","name":"{{{name}}}","pid":{{{device}}},"tid":{{{stream}}},"ts":{{{start:0.000}}},"dur":{{{end - start:0.000}}},"args":{{{{arguments}}}}}"""));
        return this;
    }

    public string Save(string path)
    {
        string device = Device.Length > 0 ? $$"""{"id": 0, "name": "{{Device}}"}""" : "";
        File.WriteAllText(path, $$"""{"deviceProperties": [{{device}}],{{Members}} "traceEvents": [{{string.Join(",\n", _events)}}]}""", new UTF8Encoding(false));
        return path;
    }
}
