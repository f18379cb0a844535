namespace SgLang.Profiling;

/// <summary>The events of one trace file, one to a line.</summary>
internal sealed class EventText(JsonText json, int pid)
{
    public JsonText Json => json;

    /// <summary>Of this process.</summary>
    public int Pid => pid;
    public long Count { get; private set; }

    public void Next() => json.Raw(Count++ == 0 ? "\n"u8 : ",\n"u8);

    /// <summary>Up to and with the duration of a complete event; `args` and the brace follow.</summary>
    /// <param name="name">Quoted.</param>
    public void BeginComplete(ReadOnlySpan<byte> category, ReadOnlySpan<byte> name, int process, int thread, long start, long duration)
    {
        Next();
        json.Raw("{\"ph\":\"X\",\"cat\":\""u8);
        json.Raw(category);
        json.Raw("\",\"name\":"u8);
        json.Raw(name);
        json.Raw(",\"pid\":"u8);
        json.Number(process);
        json.Raw(",\"tid\":"u8);
        json.Number(thread);
        json.Raw(",\"ts\":"u8);
        json.Microseconds(start);
        json.Raw(",\"dur\":"u8);
        json.Microseconds(duration);
    }

    /// <summary>One end of an arrow from a call to its work.</summary>
    public void Flow(bool isStart, uint id, int process, int thread, long time)
    {
        Next();
        json.Raw(isStart ? "{\"ph\":\"s\",\"id\":"u8 : "{\"ph\":\"f\",\"id\":"u8);
        json.Number(id);
        json.Raw(",\"pid\":"u8);
        json.Number(process);
        json.Raw(",\"tid\":"u8);
        json.Number(thread);
        json.Raw(",\"ts\":"u8);
        json.Microseconds(time);
        json.Raw(isStart ? ",\"cat\":\"ac2g\",\"name\":\"ac2g\"}"u8 : ",\"cat\":\"ac2g\",\"name\":\"ac2g\",\"bp\":\"e\"}"u8);
    }

    /// <param name="value">As JSON.</param>
    public void Meta(string name, long time, int process, int thread, string key, ReadOnlySpan<byte> value)
    {
        Next();
        json.Raw("{\"name\":"u8);
        json.Text(name);
        json.Raw(",\"ph\":\"M\",\"ts\":"u8);
        json.Microseconds(time);
        json.Raw(",\"pid\":"u8);
        json.Number(process);
        json.Raw(",\"tid\":"u8);
        json.Number(thread);
        json.Raw(",\"args\":{"u8);
        json.Text(key);
        json.Raw(":"u8);
        json.Raw(value);
        json.Raw("}}"u8);
    }

    public void Mark(string name, string process, string thread, long time)
    {
        Next();
        json.Raw("{\"name\":"u8);
        json.Text(name);
        json.Raw(",\"ph\":\"i\",\"s\":\"g\",\"pid\":"u8);
        json.Text(process);
        json.Raw(",\"tid\":"u8);
        json.Text(thread);
        json.Raw(",\"ts\":"u8);
        json.Microseconds(time);
        json.Raw("}"u8);
    }
}
