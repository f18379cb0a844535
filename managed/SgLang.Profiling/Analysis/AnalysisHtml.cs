using System.Text;

namespace SgLang.Profiling;

/// <summary>An analysis as one page that needs no other file and no network.</summary>
public static class AnalysisHtml
{
    public static void Write(TraceAnalysis analysis, TraceDiff? diff, string path)
    {
        using var data = new MemoryStream();
        // Its writer escapes '<', so that no name ends the script that holds it.
        AnalysisJson.Write(analysis, diff, data, withTimeline: true, isIndented: false);
        string page = Resource("report.html");
        AtomicFile.Write(Path.GetFullPath(path), file =>
        {
            using var text = new StreamWriter(file, new UTF8Encoding(false), leaveOpen: true);
            int at = 0;
            while (page.IndexOf("{{", at, StringComparison.Ordinal) is >= 0 and var open)
            {
                int close = page.IndexOf("}}", open, StringComparison.Ordinal);
                text.Write(page.AsSpan(at, open - at));
                text.Write(page[(open + 2)..close] switch
                {
                    "uplot.css" => Resource("uPlot.min.css"),
                    "uplot.js" => Resource("uPlot.iife.min.js"),
                    "uplot.license" => Resource("uPlot.LICENSE.txt"),
                    "report.css" => Resource("report.css"),
                    "report.js" => Resource("report.js"),
                    _ => Encoding.UTF8.GetString(data.GetBuffer(), 0, (int)data.Length),
                });
                at = close + 2;
            }
            text.Write(page.AsSpan(at));
        });
    }

    private static string Resource(string name)
    {
        using Stream stream = typeof(AnalysisHtml).Assembly.GetManifestResourceStream($"SgLang.Profiling.Page.{name}") ?? throw new InvalidOperationException($"the page's part {name} is not in the assembly");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
