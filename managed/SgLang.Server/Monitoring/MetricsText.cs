namespace SgLang.Server.Monitoring;

/// <summary>Prometheus text with the metric names dashboards know: <c>sglang:num_running_reqs</c>.</summary>
internal static class MetricsText
{
    /// <summary>Replaces the underscore after a leading "sglang", in samples and in HELP and TYPE lines; label values are left alone.</summary>
    public static byte[] WithColons(ReadOnlySpan<byte> text)
    {
        byte[] output = text.ToArray();
        int line = 0;
        while (line < output.Length)
        {
            Span<byte> rest = output.AsSpan(line);
            int name = rest.StartsWith("# HELP "u8) || rest.StartsWith("# TYPE "u8) ? "# HELP ".Length : 0;
            if (rest[name..].StartsWith("sglang_"u8)) rest[name + "sglang".Length] = (byte)':';
            int end = rest.IndexOf((byte)'\n');
            if (end < 0) break;
            line += end + 1;
        }
        return output;
    }
}
