using Parquet;
using Parquet.Schema;

namespace SgLang.Bench.Datasets;

/// <summary>Columns of a Parquet file, each whole: data sets are read once, before anything is measured.</summary>
internal static class ParquetColumns
{
    public static bool IsParquet(string path) => path.EndsWith(".parquet", StringComparison.OrdinalIgnoreCase);

    /// <param name="column">Its path, steps apart by slashes.</param>
    /// <returns>One for each row; null or empty where it has none.</returns>
    /// <exception cref="BenchUsageException">The file is not Parquet, or has no such column of texts.</exception>
    public static string?[] Texts(string path, string column) =>
        Read<string?>(path, column, typeof(ReadOnlyMemory<char>), static (group, field, values) => group.ReadAsync(field, values!));

    /// <summary>Likewise of bytes.</summary>
    public static byte[]?[] Bytes(string path, string column) =>
        Read<byte[]?>(path, column, typeof(ReadOnlyMemory<byte>), static (group, field, values) => group.ReadAsync(field, values!));

    private static T[] Read<T>(string path, string column, Type type, Func<ParquetRowGroupReader, DataField, Memory<T>, ValueTask> read)
    {
        try
        {
            return ReadAsync(path, column, type, read).GetAwaiter().GetResult();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException or ParquetException)
        {
            throw new BenchUsageException($"--dataset-path: cannot read '{path}' as Parquet: {e.Message}");
        }
    }

    private static async Task<T[]> ReadAsync<T>(string path, string column, Type type, Func<ParquetRowGroupReader, DataField, Memory<T>, ValueTask> read)
    {
        await using ParquetReader reader = await ParquetReader.CreateAsync(path);
        DataField[] fields = reader.Schema.GetDataFields();
        DataField field = fields.FirstOrDefault(f => f.Path.ToString() == column && f.ClrType == type && f.MaxRepetitionLevel == 0)
            ?? throw new BenchUsageException($"--dataset-path: '{path}' has no column {column} of {(type == typeof(ReadOnlyMemory<char>) ? "texts" : "bytes")}; its columns are {string.Join(", ", fields.Select(f => f.Path.ToString()))}");
        List<T> all = [];
        for (int i = 0; i < reader.RowGroupCount; i++)
        {
            using ParquetRowGroupReader group = reader.OpenRowGroupReader(i);
            T[] values = new T[group.RowCount];
            await read(group, field, values);
            all.AddRange(values);
        }
        return [.. all];
    }
}
